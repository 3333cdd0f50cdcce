-- Before scripts that read what a session has: the server may have been told to throw keys away when it is full.
if not is_over and redis.call('LLEN', messages) ~= count then
    return redis.error_reply('CORRUPT not all that the session had is there')
end
