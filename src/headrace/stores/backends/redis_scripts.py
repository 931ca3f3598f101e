"""What runs within the Redis server, each in one step: objects appear there, and live or expire with their versions.

An object ``key`` is a value ``space/key``: a header of 56 bytes, then the content, or nothing where the content lies in
chunks. What is no object has a name that no key can have, since it begins with a zero byte: chunks, and for each part
(the folder of a digest) a hash of what belongs to it, of the manifests that name it, and until when these live.
"""

from __future__ import annotations

from typing import Final

HEADER: Final = 56
"""Bytes: when in milliseconds (16 digits), the size, the chunks' token and the writer's."""

_SHARED = """
local now = redis.call('TIME')
now = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)

local function lives(name, till)  -- 0 is for ever
    if till == 0 then redis.call('PERSIST', name) else redis.call('PEXPIREAT', name, string.format('%.0f', till)) end
end

local function stays(index, till)  -- a part stays until then at least, and as long as a manifest has asked for
    local asked = tonumber(redis.call('HGET', index, 'till') or '-1')
    if asked == 0 or (till ~= 0 and asked > till) then till = asked end
    for _, field in ipairs(redis.call('HKEYS', index)) do
        if string.sub(field, 1, 5) == 'file:' then lives(string.sub(field, 6), till) end
    end
    lives(index, till)
end

local function renewed(manifest, parts, ttl, margin)  -- first the parts, then what names them
    local value = redis.call('GET', manifest)
    if not value then return end
    local till = 0
    if ttl > 0 then till = now + ttl + margin end
    for digest in string.gmatch(value, string.rep('%x', 64)) do
        local index = parts .. digest
        if redis.call('EXISTS', index) == 1 then
            local asked = tonumber(redis.call('HGET', index, 'till') or '-1')
            if asked ~= 0 and (till == 0 or asked < till) then
                redis.call('HSET', index, 'till', string.format('%.0f', till))
            end
            redis.call('HSET', index, 'by:' .. manifest, '')
            stays(index, till)
        end
    end
    if ttl > 0 then lives(manifest, now + ttl) else lives(manifest, 0) end
end
"""

PUT: Final = (
    _SHARED
    + """
-- KEYS: the object. ARGV: value without its time, only if absent, kind, ttl, margin, making, parts, digest, chunks...
local name, kind, ttl = KEYS[1], ARGV[3], tonumber(ARGV[4])
local old = redis.call('GETRANGE', name, 0, 55)
if ARGV[2] == '1' and old ~= '' then return {0, old} end
redis.call('SET', name, string.format('%016.0f', now) .. ARGV[1])
for i = 9, #ARGV do redis.call('PERSIST', ARGV[i]) end
if kind == 'part' then
    local index = ARGV[7] .. ARGV[8]
    redis.call('HSET', index, 'file:' .. name, '')
    for i = 9, #ARGV do redis.call('HSET', index, 'file:' .. ARGV[i], '') end
    if ttl > 0 then stays(index, now + ttl + tonumber(ARGV[6])) else stays(index, 0) end
elseif kind == 'manifest' then
    renewed(name, ARGV[7], ttl, tonumber(ARGV[5]))
end
return {1, old}
"""
)

USED: Final = (
    _SHARED
    + """
-- KEYS: the object. ARGV: kind, ttl, margin, parts, digest. It was read: its version lives on.
local ttl = tonumber(ARGV[2])
local function due(name)
    local left = redis.call('PTTL', name)
    return left >= 0 and left < 0.75 * ttl
end
if ARGV[1] == 'manifest' then
    if due(KEYS[1]) then renewed(KEYS[1], ARGV[4], ttl, tonumber(ARGV[3])) end
else
    for _, field in ipairs(redis.call('HKEYS', ARGV[4] .. ARGV[5])) do
        local name = string.sub(field, 4)
        if string.sub(field, 1, 3) == 'by:' and due(name) then renewed(name, ARGV[4], ttl, tonumber(ARGV[3])) end
    end
end
return 1
"""
)

KEPT: Final = (
    _SHARED
    + """
-- KEYS: a part's object. ARGV: ttl, making, parts, digest. Somebody is about to name the part: it stays so long.
local index = ARGV[3] .. ARGV[4]
if redis.call('EXISTS', index) == 1 then stays(index, now + tonumber(ARGV[1]) + tonumber(ARGV[2])) end
return redis.call('GETRANGE', KEYS[1], 0, 55)
"""
)

GONE: Final = """
-- KEYS: the object. It goes, and what it was is returned, for its chunks to go, too.
local old = redis.call('GETRANGE', KEYS[1], 0, 55)
redis.call('DEL', KEYS[1])
return old
"""
