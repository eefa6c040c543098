-- Wired M-Bus for Wireshark: link layer frames and the header of the variable data structure.
--
-- For captures with LINKTYPE_USER0 as `meterbench simulate --pcap` writes them:
--     tshark -X lua_script:mbus.lua -r capture.pcapng -V
-- or put the file into Wireshark's folder of personal plugins. Written from the document that the
-- register of sources calls MBDOC48; pages stand beside what they are about.

local mbus = Proto("mbus", "Meter-Bus (wired)")

-- p.22-23: the frames.
local KINDS = {
  [0xE5] = "single character (acknowledge)",
  [0x10] = "short frame",
  [0x68] = "long frame",
}

-- p.23: the functions of the C field. Bit 6 says that the master calls; then bit 5 is FCB, bit 4 FCV.
local CALLS = { [0x0] = "SND_NKE", [0x3] = "SND_UD", [0xA] = "REQ_UD1", [0xB] = "REQ_UD2" }
local ANSWERS = { [0x8] = "RSP_UD" }

-- p.31: CI fields in both directions.
local CI_FIELDS = {
  [0x50] = "application reset",
  [0x51] = "data send", [0x55] = "data send (mode 2)",
  [0x52] = "select", [0x56] = "select (mode 2)",
  [0x54] = "synchronise",
  [0x70] = "report of application errors",
  [0x71] = "report of alarms",
  [0x72] = "variable data structure", [0x76] = "variable data structure (mode 2)",
  [0x73] = "fixed data structure", [0x77] = "fixed data structure (mode 2)",
  [0x78] = "variable data structure, no header",
  [0x7A] = "variable data structure, short header",
  [0xB8] = "set baud rate 300", [0xB9] = "set baud rate 600",
  [0xBA] = "set baud rate 1200", [0xBB] = "set baud rate 2400",
  [0xBC] = "set baud rate 4800", [0xBD] = "set baud rate 9600",
  [0xBE] = "set baud rate 19200", [0xBF] = "set baud rate 38400",
}

-- p.24: addresses with a meaning of their own.
local ADDRESSES = { [0] = "unconfigured", [253] = "selected slaves", [254] = "all, they answer",
                    [255] = "all, none answers" }

local f = mbus.fields
f.kind = ProtoField.uint8("mbus.kind", "Frame", base.HEX, KINDS)
f.l = ProtoField.uint8("mbus.l", "L field", base.DEC)
f.c = ProtoField.uint8("mbus.c", "C field", base.HEX)
f.call = ProtoField.bool("mbus.c.call", "From the master", 8, nil, 0x40)
f.fcb = ProtoField.bool("mbus.c.fcb", "FCB", 8, nil, 0x20)
f.fcv = ProtoField.bool("mbus.c.fcv", "FCV", 8, nil, 0x10)
f.acd = ProtoField.bool("mbus.c.acd", "ACD", 8, nil, 0x20)
f.dfc = ProtoField.bool("mbus.c.dfc", "DFC", 8, nil, 0x10)
f.a = ProtoField.uint8("mbus.a", "A field", base.DEC, ADDRESSES)
f.ci = ProtoField.uint8("mbus.ci", "CI field", base.HEX, CI_FIELDS)
f.id = ProtoField.string("mbus.id", "Identification number")
f.manufacturer = ProtoField.string("mbus.manufacturer", "Manufacturer")
f.version = ProtoField.uint8("mbus.version", "Version", base.DEC)
f.medium = ProtoField.uint8("mbus.medium", "Medium", base.DEC)
f.access = ProtoField.uint8("mbus.access", "Access number", base.DEC)
f.status = ProtoField.uint8("mbus.status", "Status", base.HEX)
f.data = ProtoField.bytes("mbus.data", "User data")
f.checksum = ProtoField.uint8("mbus.checksum", "Checksum", base.HEX)
f.stop = ProtoField.uint8("mbus.stop", "Stop", base.HEX)

local bad_checksum = ProtoExpert.new("mbus.checksum.bad", "Bad checksum",
                                     expert.group.CHECKSUM, expert.severity.ERROR)
local malformed = ProtoExpert.new("mbus.malformed", "Not a frame of M-Bus",
                                  expert.group.MALFORMED, expert.severity.ERROR)
mbus.experts = { bad_checksum, malformed }

-- Adds a C field and returns the name of its function.
local function c_field(tree, range)
  local value = range:uint()
  local item = tree:add(f.c, range)
  item:add(f.call, range)
  local from_master = bit.band(value, 0x40) ~= 0
  if from_master then
    item:add(f.fcb, range)
    item:add(f.fcv, range)
  else
    item:add(f.acd, range)
    item:add(f.dfc, range)
  end
  local name = (from_master and CALLS or ANSWERS)[bit.band(value, 0x0F)] or "unknown function"
  item:append_text(" (" .. name .. ")")
  return name
end

-- Adds the checksum of `counted` and says when it is another one (p.22).
local function checksum(tree, counted, range)
  local sum = 0
  for i = 0, counted:len() - 1 do
    sum = (sum + counted(i, 1):uint()) % 256
  end
  local item = tree:add(f.checksum, range)
  if sum ~= range:uint() then
    item:add_proto_expert_info(bad_checksum, string.format("Bad checksum, want 0x%02x", sum))
  end
end

-- Eight characters of a secondary address: the number with its last digits first, the letters of
-- the maker in five bits each, version and medium (p.63).
local function address(tree, range)
  local digits = {}
  for i = 3, 0, -1 do
    digits[#digits + 1] = string.format("%02X", range(i, 1):uint())
  end
  tree:add(f.id, range(0, 4), table.concat(digits))
  local code = range(4, 2):le_uint()
  local letters = ""
  for shift = 10, 0, -5 do
    letters = letters .. string.char(64 + bit.band(bit.rshift(code, shift), 0x1F))
  end
  tree:add(f.manufacturer, range(4, 2), letters)
  tree:add(f.version, range(6, 1))
  tree:add(f.medium, range(7, 1))
end

local function short_frame(tree, buffer)
  local name = c_field(tree, buffer(1, 1))
  tree:add(f.a, buffer(2, 1))
  checksum(tree, buffer(1, 2), buffer(3, 1))
  tree:add(f.stop, buffer(4, 1))
  return string.format("%s to %d", name, buffer(2, 1):uint())
end

local function long_frame(tree, buffer)
  local length = buffer(1, 1):uint()
  tree:add(f.l, buffer(1, 1))
  local name = c_field(tree, buffer(4, 1))
  tree:add(f.a, buffer(5, 1))
  tree:add(f.ci, buffer(6, 1))
  local ci = buffer(6, 1):uint()
  local data = length - 3
  if data > 0 then
    local item = tree:add(f.data, buffer(7, data))
    if (ci == 0x52 or ci == 0x56) and data >= 8 then
      address(item, buffer(7, 8))
    elseif (ci == 0x72 or ci == 0x76) and data >= 12 then
      address(item, buffer(7, 8))
      item:add(f.access, buffer(15, 1))
      item:add(f.status, buffer(16, 1))
    end
  end
  checksum(tree, buffer(4, length), buffer(4 + length, 1))
  tree:add(f.stop, buffer(5 + length, 1))
  local what = CI_FIELDS[ci] or string.format("CI %02X", ci)
  local from_master = bit.band(buffer(4, 1):uint(), 0x40) ~= 0
  return string.format("%s %s %d, %s", name, from_master and "to" or "from",
                       buffer(5, 1):uint(), what)
end

-- The length that a frame which begins like this one must have; nil if it is none.
local function expected_length(buffer)
  local start = buffer(0, 1):uint()
  if start == 0xE5 then return 1 end
  if start == 0x10 then return 5 end
  if start == 0x68 and buffer:len() >= 9 and buffer(1, 1):uint() >= 3
      and buffer(1, 1):uint() == buffer(2, 1):uint() and buffer(3, 1):uint() == 0x68 then
    return buffer(1, 1):uint() + 6
  end
  return nil
end

function mbus.dissector(buffer, info, root)
  if buffer:len() == 0 then return 0 end
  info.cols.protocol = "M-Bus"
  local tree = root:add(mbus, buffer())
  local length = expected_length(buffer)
  if length == nil or length ~= buffer:len() then
    tree:add_proto_expert_info(malformed)
    info.cols.info = "not a frame: " .. tostring(buffer:bytes())
    return buffer:len()
  end
  tree:add(f.kind, buffer(0, 1))
  if length == 1 then
    info.cols.info = "acknowledge"
  elseif length == 5 then
    info.cols.info = short_frame(tree, buffer)
  else
    info.cols.info = long_frame(tree, buffer)
  end
  return buffer:len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, mbus)
