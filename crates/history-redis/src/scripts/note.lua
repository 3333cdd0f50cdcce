-- Loads a note. ARGV: its name.
return not is_over and redis.call('HGET', notes, ARGV[1]) or false
