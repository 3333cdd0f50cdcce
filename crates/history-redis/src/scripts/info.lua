-- Returns a session as a list shows it, as `page.lua` does, or nothing. ARGV: the session's name.
if is_over or count == 0 and not tree and not title and labels == '' then
    return false
end
describe(ARGV[1])
local kept = redis.call('HMGET', meta, 'used', 'title', 'labels', 'created', 'bytes', 'sum:input', 'sum:output',
    'sum:total', 'sum:cached', 'sum:written', 'sum:reasoning', 'sum:cost')
return {ARGV[1], whole(path_to('').turns), kept}
