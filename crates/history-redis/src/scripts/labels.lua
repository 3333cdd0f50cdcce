-- Adds labels to those that a session has, as long as it can have more. Those that are set stay.
local function with_labels(more, most)
    local names, number = {}, 0
    for label in string.gmatch(labels, '([^\n]*)\n[^\n]*\n') do
        names[label], number = true, number + 1
    end
    local all = labels
    for label, value in string.gmatch(more, '([^\n]*)\n([^\n]*)\n') do
        if not names[label] and number < most then
            all, number = all .. label .. '\n' .. value .. '\n', number + 1
        end
    end
    return all
end
