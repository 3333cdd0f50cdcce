-- Loads a note. Returns its JSON and, in a session with branches or at a point, the epoch and messages
-- of the path and the fingerprint of the turn with which the note ends. Of a path to which the turn does
-- not belong that a note without a tip is of, it returns no messages. ARGV: its name, and the point.
local kept = not is_over and redis.call('HGET', notes, ARGV[1]) or false
if ARGV[2] == '' and not (kept and tree) then
    return {kept, false}
end
local path = path_to(ARGV[2])
if not kept then
    return {false, false}
end
local covered = tonumber(string.match(kept, '"covers":{"epoch":%d+,"messages":(%d+)[^{}]*}}$') or 0)
local turn = string.match(kept, '"turn":"(%x+)"}}$')
if turn and (covered > path.messages or tip_with(path, covered) ~= turn) then
    return {kept, {epoch, 0, ''}}
end
return {kept, {epoch, path.messages, tip_at(path, covered)}}
