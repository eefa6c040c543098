// Read a gateway with one of two clients and print what came, as one line of JSON.
// usage: node read.js CLIENT TRANSPORT HOST PORT [ROUNDS PAUSE_MS]
"use strict";

const net = require("net");
const [client, transport, host, port, rounds = "1", pause = "0"] = process.argv.slice(2);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function modbusSerial() {
  const ModbusRTU = require("modbus-serial");
  const modbus = new ModbusRTU();
  const connect = transport === "udp" ? "connectUDP" : "connectTCP";
  await modbus[connect](host, { port: Number(port) });
  modbus.setID(255);
  modbus.setTimeout(3000);
  return {
    read: async (address, count) => (await modbus.readHoldingRegisters(address, count)).data,
    code: (error) => error.modbusCode,
    identify: async () => (await modbus.readDeviceIdentification(2, 0)).data,
    close: () => new Promise((resolve) => modbus.close(resolve)),
  };
}

async function jsmodbus() {
  const socket = new net.Socket();
  const modbus = new (require("jsmodbus").client.TCP)(socket, 255, 3000);
  await new Promise((resolve, reject) => {
    socket.on("connect", resolve);
    socket.on("error", reject);
    socket.connect({ host, port: Number(port) });
  });
  return {
    read: async (address, count) =>
      Array.from((await modbus.readHoldingRegisters(address, count)).response.body.valuesAsArray),
    code: (error) => error.response.body.code,
    identify: async () => null,
    close: async () => socket.end(),
  };
}

async function main() {
  const modbus = await (client === "jsmodbus" ? jsmodbus() : modbusSerial());
  const found = { rounds: [] };
  for (let round = 0; round < Number(rounds); round += 1) {
    if (round) await wait(Number(pause));
    found.rounds.push(await modbus.read(0, 70));
  }
  if (Number(rounds) === 1) {
    found.parallel = await Promise.all([0, 10, 20, 30, 40, 50, 60, 0].map((a) => modbus.read(a, 10)));
    found.refused = await modbus.read(1000, 10).then(() => null, (error) => modbus.code(error));
    found.identification = await modbus.identify();
  }
  await modbus.close();
  console.log(JSON.stringify(found));
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
