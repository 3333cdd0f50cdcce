-- Lists the turns that follow a point, in the order in which they were stored: each with the last
-- stored of those that follow it, and whether it is on the path to the tip. The rows of the branches
-- are read once, by one command. ARGV: the point.
local path, tip = path_to(ARGV[1]), path_to('')
local before = path.turns > 0 and path.head or nil

-- The branches by their numbers, without their keys.
local parts, part_count = {}, tree and branch_count or 1
if tree then
    local kept = redis.call('HGETALL', branches)
    for i = 1, #kept, 2 do
        local parent, first, touched, size = string.match(kept[i + 1], '^([%d-]+) (%d+) %d+ (%d+) (%d+) ')
        if parent then
            parts[tonumber(kept[i]) or -1] =
                {parent = tonumber(parent), turns = tonumber(first), touched = tonumber(touched), size = tonumber(size)}
        end
    end
else
    parts[0] = {turns = 0, touched = 0, size = branch(0).size}
end

-- The branches that begin with a turn that follows, each with the last touched of those that leave it.
local followers = {}
local function follower(number, touched)
    followers[#followers + 1] = {first = number, last = number, touched = touched}
    return followers[#followers]
end

local continued = nil
if before and path.turns < before.turns + before.size then
    continued = follower(before.number, before.touched or 0)
end
-- The follower that each branch comes after. A branch comes after the one that it leaves.
local of = {}
for number = 0, part_count - 1 do
    local part = parts[number]
    if not part then
        corrupt('a branch of the session is missing')
    end
    if part.parent ~= (before and before.number) then
        of[number] = part.parent and of[part.parent]
    elseif part.turns > path.turns then
        of[number] = continued
    elseif part.turns == path.turns and part.size > 0 then
        of[number] = follower(number, part.touched)
    end
    local one = of[number]
    if one and part.touched > one.touched then
        one.last, one.touched = number, part.touched
    end
end

local function id_of(row, number)
    local _, _, id = parse(of_branch(row, number, number + 1)[1])
    return id
end

local current = path.turns < tip.turns and with_turn(tip.head, path.turns).number
local found = {}
for i, one in ipairs(followers) do
    local first, last = branch(one.first), branch(one.last)
    found[i] = {
        id_of(first, path.turns), id_of(last, last.turns + last.size - 1), one.first == current and 1 or 0,
    }
end
return found
