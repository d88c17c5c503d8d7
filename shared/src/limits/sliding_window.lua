-- One check of one caller: all charges are made, or none. The arithmetic is that of sliding_window.rs.
--
-- KEYS     a hash for each quota: slot -> units taken in it. All share the caller's hash tag.
-- ARGV     1: microseconds since 1970, or '' for this server's clock; 2: slots a window;
--          then for each key: slot width in microseconds, limit, cost.
-- Returns  allowed (1 or 0), the time used, and for each key its slots after the decision: {slot, units, slot, units, ...}
--
-- Numbers are doubles here: all of them are integers below 2^53, so they and the quotient's floor are exact.

local function text(number)
  return string.format('%.0f', number)
end

local now
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
else
  now = tonumber(ARGV[1])
end
local slots = tonumber(ARGV[2])

local windows = {}
local allowed = true
for i, key in ipairs(KEYS) do
  local width, limit, cost = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local current = math.floor(now / width)
  local window = { key = key, current = current, cost = cost, taken = {}, gone = {}, moved = false }
  window.lifetime = math.ceil((slots + 1) * width / 1000)
  local held = redis.call('HGETALL', key)
  local used = 0
  for field = 1, #held, 2 do
    local slot, units = tonumber(held[field]), tonumber(held[field + 1])
    if slot < current - slots then
      table.insert(window.gone, held[field])
    else
      if slot > current then -- the clock was set back
        table.insert(window.gone, held[field])
        window.moved = true
        slot = current
      end
      window.taken[slot] = (window.taken[slot] or 0) + units
      used = used + units
    end
  end
  if used + cost > limit then
    allowed = false
  end
  windows[i] = window
end

local states = {}
for i, window in ipairs(windows) do
  local charged = allowed and window.cost > 0
  if charged then
    window.taken[window.current] = (window.taken[window.current] or 0) + window.cost
  end
  if charged or window.moved then
    if #window.gone > 0 then
      redis.call('HDEL', window.key, unpack(window.gone))
    end
    redis.call('HSET', window.key, text(window.current), text(window.taken[window.current]))
    redis.call('PEXPIRE', window.key, text(window.lifetime))
  end
  local state = {}
  for slot, units in pairs(window.taken) do
    table.insert(state, slot)
    table.insert(state, units)
  end
  states[i] = state
end
return { allowed and 1 or 0, now, states }
