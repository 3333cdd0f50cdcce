-- Sets the value of a session's label, or removes the label. Returns 0 if the session has as many labels
-- as it can have. ARGV: the deadline, the session's name, the lifetime in milliseconds or nothing, the
-- most labels, the label's name, and its value, if it is set.
local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
local name, most, label, value = ARGV[2], tonumber(ARGV[4]), ARGV[5], ARGV[6]
if not value and (is_new or is_over) then
    return 1
end
local lines, number, is_set = {}, 0, false
for found, text in string.gmatch(is_over and '' or labels, '([^\n]*)\n([^\n]*)\n') do
    if found == label then
        text, is_set = value, true
    end
    if text then
        number = number + 1
        lines[number] = found .. '\n' .. text .. '\n'
    end
end
if value and not is_set then
    if number >= most then
        return 0
    end
    lines[number + 1] = label .. '\n' .. value .. '\n'
end
check_lists()
redis.call('ZADD', index, 0, name)
begin(name, tonumber(ARGV[3]))
unlist(name)
labels = table.concat(lines)
if labels == '' then
    redis.call('HDEL', meta, 'labels')
else
    redis.call('HSET', meta, 'labels', labels)
end
list_if_shown(name)
return 1
