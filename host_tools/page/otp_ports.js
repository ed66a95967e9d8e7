// One-time port sequences: what firmware/knocklet/wire/otp_ports.py does, for the page.

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";

export const SLOT_S = 30; // a slot: unix seconds / 30

// `count` distinct ports in low..high, in the order of knocking. key: the client's otp key, 32 bytes.
export function otpPorts(key, service, slot, { count, low, high }) {
  const span = high - low + 1;
  const limit = 65536 - (65536 % span);
  const ports = [];
  for (let block = 0; ; block++) {
    const data = hmac(sha256, key, message(service, slot, block));
    for (let i = 0; i < data.length; i += 2) {
      const value = (data[i] << 8) | data[i + 1];
      const port = low + (value % span);
      if (value < limit && !ports.includes(port)) {
        ports.push(port);
        if (ports.length === count) return ports;
      }
    }
  }
}

// "otp1" || u8 service || u64 slot || u32 block
function message(service, slot, block) {
  const numbers = new DataView(new ArrayBuffer(13));
  numbers.setUint8(0, service);
  numbers.setBigUint64(1, BigInt(slot));
  numbers.setUint32(9, block);
  return concatBytes(utf8ToBytes("otp1"), new Uint8Array(numbers.buffer));
}
