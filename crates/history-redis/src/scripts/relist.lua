-- Adds a session to the list, which the server has evicted or an earlier version has not kept. ARGV: the
-- session's name.
if is_over or is_new then
    return 0
end
describe(ARGV[1])
if not used then
    return 0
end
list_if_shown(ARGV[1])
return 1
