-- Fingerprints of turns: `TurnId::fingerprint`, in hexadecimal.
local function fingerprint(id)
    local hex = string.gsub(id, '-', '')
    local function half(from)
        local one, other = string.sub(hex, from, from + 7), string.sub(hex, from + 16, from + 23)
        return bit.tohex(bit.bxor(tonumber(one, 16), tonumber(other, 16)))
    end
    local bits = half(1) .. half(9)
    return bits == '0000000000000000' and '0000000000000001' or bits
end
