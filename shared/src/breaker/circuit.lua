-- The shared state of one circuit, decided in one place. Both keys lie in one slot.
-- KEYS: the state (a hash: s open|closed|isolated, e epoch, u until, n openings), the trial (its holder's name).
-- ARGV: time in microseconds or '' for the server's, operation, holder, and what the operation needs.
-- Answers {elected: 0|1, state, epoch, remaining microseconds, openings}.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local operation, holder = ARGV[2], ARGV[3]
-- What nobody has spoken of for a day is forgotten; that a service is isolated never is.
local kept = 86400000

local fields = redis.call('HMGET', KEYS[1], 's', 'e', 'u', 'n')
local state, epoch = fields[1] or 'unknown', tonumber(fields[2] or 0)
local till, openings = tonumber(fields[3] or 0), tonumber(fields[4] or 0)
local trier = redis.call('GET', KEYS[2])
local mine = trier == holder
local another = trier and not mine

local function decide(new, new_till, new_openings)
  -- Never an epoch twice.
  state, epoch, till, openings = new, math.max(now, epoch + 1), new_till, new_openings
  redis.call('HSET', KEYS[1], 's', state, 'e', string.format('%.0f', epoch), 'u', string.format('%.0f', till), 'n', openings)
  if state == 'isolated' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], kept) end
end

local function answer(elected, remaining)
  return { elected, state, string.format('%.0f', epoch), string.format('%.0f', math.max(remaining, 0)), openings }
end

if operation == 'opened' then
  local reset, trial = tonumber(ARGV[4]), ARGV[5] == '1'
  -- An opening that is not over stands; one that is over is its trier's to prolong.
  local stands = state == 'isolated' or (state == 'open' and (now < till or another))
  if not stands then decide('open', now + reset, (state == 'open' and trial) and openings + 1 or 1) end
  if mine then redis.call('DEL', KEYS[2]) end
elseif operation == 'closed' then
  -- Whoever tried may say so; so may a call that began before, unless something was decided that it does not know of.
  local known = epoch <= tonumber(ARGV[4])
  if state == 'open' and (mine or (known and not another)) then decide('closed', 0, 0) end
  if mine then redis.call('DEL', KEYS[2]) end
elseif operation == 'isolate' then
  decide(ARGV[4] == '1' and 'isolated' or 'closed', 0, 0)
  redis.call('DEL', KEYS[2])
elseif operation == 'elect' then
  local lease, seen = tonumber(ARGV[4]), tonumber(ARGV[5])
  local newer = epoch > seen and state == 'closed'
  if state == 'isolated' or newer or (state == 'open' and now < till) then
    return answer(0, till - now)
  end
  if another then
    -- The answer tells of the trial: its state is none of the circuit's.
    state = 'tried'
    return answer(0, redis.call('PTTL', KEYS[2]) * 1000)
  end
  redis.call('SET', KEYS[2], holder, 'PX', lease)
  return answer(1, 0)
end
return answer(0, till - now)
