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
-- What nobody has spoken of for a day is forgotten.
local kept = 86400000

local function known()
  local fields = redis.call('HMGET', KEYS[1], 's', 'e', 'u', 'n')
  return fields[1] or 'unknown', tonumber(fields[2] or 0), tonumber(fields[3] or 0), tonumber(fields[4] or 0)
end

local state, epoch, till, openings = known()

local function decide(new, new_till, new_openings)
  -- Never an epoch twice.
  state, epoch, till, openings = new, math.max(now, epoch + 1), new_till, new_openings
  redis.call('HSET', KEYS[1], 's', state, 'e', string.format('%.0f', epoch), 'u', string.format('%.0f', till), 'n', openings)
  redis.call('PEXPIRE', KEYS[1], kept)
  redis.call('DEL', KEYS[2])
end

local function answer(elected, remaining)
  return { elected, state, string.format('%.0f', epoch), string.format('%.0f', math.max(remaining, 0)), openings }
end

local trier = redis.call('GET', KEYS[2])
local mine = trier == holder
local another = trier and not mine

if operation == 'opened' then
  local reset, trial = tonumber(ARGV[4]), ARGV[5] == '1'
  local already = state == 'isolated' or (state == 'open' and now < till)
  if not already and not another then
    decide('open', now + reset, (state == 'open' and trial) and openings + 1 or 1)
  end
elseif operation == 'closed' then
  if state ~= 'isolated' and state ~= 'closed' and not another then decide('closed', 0, 0) end
elseif operation == 'isolate' then
  decide(ARGV[4] == '1' and 'isolated' or 'closed', 0, 0)
elseif operation == 'elect' then
  local lease, seen = tonumber(ARGV[4]), tonumber(ARGV[5])
  local newer = epoch > seen and (state == 'closed' or state == 'isolated')
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
