// Opens what host_tools/knocklet_tool/sealed_box.py has sealed under a passphrase; the layout is there.
// Own code and a library instead of crypto.subtle: browsers have that on https pages only, not on content://.

import { hmac } from "@noble/hashes/hmac.js";
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";

const COSTS = 4, SALT = 8, TEXT = 24; // offsets
const KEY_BYTES = 32, MAC_BYTES = 32;

// The text, or null when this is not the passphrase. progress(share) is told how far it is, 0 to 1.
export async function unseal(box, passphrase, progress) {
  const salt = box.subarray(SALT, TEXT);
  const sealed = box.subarray(0, box.length - MAC_BYTES);
  const keys = await scryptAsync(passphrase.normalize("NFKC").trim(), salt, {
    N: 2 ** box[COSTS],
    r: box[COSTS + 1],
    p: box[COSTS + 2],
    dkLen: 2 * KEY_BYTES,
    onProgress: progress,
  });
  const mac = hmac(sha256, keys.subarray(KEY_BYTES), sealed);
  // Whoever has the file can try for himself: how long this takes tells nothing.
  if (mac.some((byte, i) => byte !== box[sealed.length + i])) return null;
  const text = sealed.subarray(TEXT);
  const stream = keystream(keys.subarray(0, KEY_BYTES), salt, text.length);
  return new TextDecoder().decode(text.map((byte, i) => byte ^ stream[i]));
}

// As firmware/knocklet/wire/hmac.py has it.
function keystream(key, iv, count) {
  const blocks = [];
  for (let number = 0; number * MAC_BYTES < count; number++) {
    const counter = new DataView(new ArrayBuffer(4));
    counter.setUint32(0, number);
    blocks.push(hmac(sha256, key, concatBytes(utf8ToBytes("ks1"), iv, new Uint8Array(counter.buffer))));
  }
  return concatBytes(...blocks);
}
