-- Returns whether labels, as lines of names and values, have one.
local function has_label(labels_of, name, value)
    for label, found in string.gmatch(labels_of, '([^\n]*)\n([^\n]*)\n') do
        if label == name then
            return found == value
        end
    end
    return false
end
