-- One operation of the store, whole and at once. ARGV[1] names it; KEYS are
-- the record, the records (delete), or the two halves of a queue.
--
-- A record is a hash with a time to live. Fields that begin with a dot are
-- the store's own:
--   .b       birth: tells a record from a later one of the same name
--   .u .ub   the name of the record from which it hangs, and that one's birth
--   .l       when its life ends, beyond which nothing is prolonged
--   .t .ta   who took it, and when; .tl how long it would still have lived
--   .n .na   events counted, and when the last one was
--   .p<f>    the value of field f before its last rotation; .w<f> when that was
-- Times are milliseconds by the clock of Redis.

local function now()
	local t = redis.call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- The key of another record of the same tag. Neither prefix nor tag can hold
-- a brace of their own.
local function beside(name)
	return string.match(KEYS[1], '^[^{]*{[^}]*}:') .. name
end

-- Returns the birth of a record, and who took it if somebody did; nothing
-- when it, or anything from which it hangs, is gone. The bound on the levels
-- keeps a circle of records from stopping the server.
local function find(key)
	local record = redis.call('HMGET', key, '.b', '.t', '.u', '.ub')
	local birth, taker, upper, upper_birth = record[1], record[2], record[3], record[4]
	if not birth then return nil end
	for _ = 1, 8 do
		if not upper then return birth, taker end
		record = redis.call('HMGET', beside(upper), '.b', '.t', '.u', '.ub')
		if record[1] ~= upper_birth or record[2] then return nil end
		upper, upper_birth = record[3], record[4]
	end
	return nil
end

-- Returns the birth of a record that is there and not taken.
local function living(key)
	local birth, taker = find(key)
	return not taker and birth or nil
end

-- Lengthens the life of a record and returns what it then is.
local function prolong(key, extend)
	local ttl = redis.call('PTTL', key)
	if extend > 0 then
		local life = redis.call('HGET', key, '.l')
		if life then extend = math.min(extend, life - now()) end
		if extend > ttl then
			redis.call('PEXPIRE', key, extend)
			ttl = extend
		end
	end
	return ttl
end

local MISSING, TAKEN, SPENT = 0, 1, 2

local op = {}

-- ttl life replace birth under field value field value…
function op.create()
	local key, under = KEYS[1], ARGV[6]
	local birth = living(key)
	if birth and ARGV[4] == '0' then return {0} end
	local upper_birth = under ~= '' and living(beside(under))
	-- Only where there is something: Redis refuses to go beyond its memory
	-- only as long as a script has not changed anything yet.
	if redis.call('EXISTS', key) == 1 then redis.call('DEL', key) end
	if under ~= '' and not upper_birth then return {0} end
	-- One that is overwritten keeps its birth: what hangs from it stays.
	redis.call('HSET', key, '.b', birth or ARGV[5], unpack(ARGV, 7))
	if upper_birth then redis.call('HSET', key, '.u', under, '.ub', upper_birth) end
	if ARGV[3] ~= '0' then redis.call('HSET', key, '.l', now() + ARGV[3]) end
	redis.call('PEXPIRE', key, ARGV[2])
	return {1}
end

-- extend
function op.read()
	local key = KEYS[1]
	if not living(key) then return {} end
	return {prolong(key, tonumber(ARGV[2])), redis.call('HGETALL', key)}
end

-- field value field value…
function op.write()
	if not living(KEYS[1]) then return {0} end
	for i = 2, #ARGV, 2 do
		if ARGV[i + 1] == '' then
			redis.call('HDEL', KEYS[1], ARGV[i])
		else
			redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
		end
	end
	return {1}
end

-- by keep
function op.take()
	local key, by = KEYS[1], ARGV[2]
	local birth, taker = find(key)
	if not birth then return {MISSING} end
	if not taker then
		redis.call('HSET', key, '.t', by, '.ta', now(), '.tl', redis.call('PTTL', key))
		redis.call('PEXPIRE', key, ARGV[3])
	end
	local outcome = (taker or by) == by and TAKEN or SPENT
	local taken = redis.call('HMGET', key, '.ta', '.tl')
	return {outcome, tonumber(taken[1]), tonumber(taken[2]), redis.call('HGETALL', key)}
end

function op.delete()
	local there, count = {}, 0
	for _, key in ipairs(KEYS) do
		if not there[key] and living(key) then
			there[key] = true
			count = count + 1
		end
	end
	redis.call('DEL', unpack(KEYS))
	return {count}
end

-- field from to grace extend
function op.rotate()
	local key, field, from, to, grace = KEYS[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
	if not living(key) then return {MISSING} end
	local fields = redis.call('HGETALL', key)
	local has = redis.call('HMGET', key, field, '.p' .. field, '.w' .. field)
	if has[1] == from then
		redis.call('HSET', key, field, to, '.p' .. field, from, '.w' .. field, now())
	elseif not (grace > 0 and has[1] == to and has[2] == from and now() - has[3] <= grace) then
		redis.call('DEL', key)
		return {SPENT, fields}
	end
	prolong(key, tonumber(ARGV[6]))
	return {TAKEN, fields}
end

-- limit window pause maxpause birth
function op.hit()
	local key = KEYS[1]
	local limit, window = tonumber(ARGV[2]), tonumber(ARGV[3])
	local pause, max_pause = tonumber(ARGV[4]), tonumber(ARGV[5])
	local counted = redis.call('HMGET', key, '.n', '.na')
	local n = tonumber(counted[1] or 0)
	if n >= limit then
		local wait = math.max(redis.call('PTTL', key), 1)
		if n == 0 then
			wait = window
		elseif pause > 0 then
			local delay = pause * 2 ^ (n - limit)
			if max_pause > 0 then delay = math.min(delay, max_pause) end
			wait = math.min(wait, counted[2] + delay - now())
		end
		if wait > 0 then return {0, n, wait} end
	end
	redis.call('HSETNX', key, '.b', ARGV[6])
	redis.call('HSET', key, '.n', n + 1, '.na', now(), '.nb', counted[2] or now())
	if n == 0 or pause > 0 then redis.call('PEXPIRE', key, window) end
	return {1, n + 1, 0}
end

-- The time of the last event is that of the one before: of two that are taken
-- back at once the second one keeps it.
function op.unhit()
	local key = KEYS[1]
	local counted = redis.call('HMGET', key, '.n', '.nb')
	local n = tonumber(counted[1] or 0)
	if n == 1 then redis.call('DEL', key) end
	if n > 1 then redis.call('HSET', key, '.n', n - 1, '.na', counted[2]) end
	return {}
end

-- A queue is a sorted set of IDs by due time, and a hash: v<ID> is the value
-- of an entry, n<ID> how often it was pulled.

local function entry(id, due)
	local kept = redis.call('HMGET', KEYS[2], 'v' .. id, 'n' .. id)
	return {id, kept[1] or '', tonumber(kept[2] or 0), due}
end

local function remove(id)
	redis.call('ZREM', KEYS[1], id)
	redis.call('HDEL', KEYS[2], 'v' .. id, 'n' .. id)
end

-- id value after
function op.push()
	local id, value = ARGV[2], ARGV[3]
	redis.call('ZADD', KEYS[1], now() + ARGV[4], id)
	redis.call('HDEL', KEYS[2], 'v' .. id, 'n' .. id)
	if value ~= '' then redis.call('HSET', KEYS[2], 'v' .. id, value) end
	return {}
end

-- max lease
function op.pull()
	local out, t = {}, now()
	for i, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', t, 'LIMIT', 0, ARGV[2])) do
		redis.call('ZADD', KEYS[1], t + ARGV[3], id)
		redis.call('HINCRBY', KEYS[2], 'n' .. id, 1)
		out[i] = entry(id, 0)
	end
	return out
end

function op.list()
	local out, t = {}, now()
	local ids = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
	for i = 1, #ids, 2 do
		out[#out + 1] = entry(ids[i], ids[i + 1] - t)
	end
	return out
end

-- due id…
function op.drop()
	if ARGV[2] == '1' then
		for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now())) do remove(id) end
	end
	for i = 3, #ARGV do remove(ARGV[i]) end
	return {}
end

return op[ARGV[1]]()
