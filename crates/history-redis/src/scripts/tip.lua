-- Fingerprints of turns. Each of the 64 bits is that of `TurnId::fingerprint`, in hexadecimal.
local function fingerprint(id)
    local hex, bits = string.gsub(id, '-', ''), ''
    for at = 1, 16, 4 do
        local high, low = string.sub(hex, at, at + 3), string.sub(hex, at + 16, at + 19)
        bits = bits .. string.format('%04x', bit.bxor(tonumber(high, 16), tonumber(low, 16)))
    end
    return bits == '0000000000000000' and '0000000000000001' or bits
end
