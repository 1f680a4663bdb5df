// Turns a WAV file of 24 kHz PCM16 into chunks of 100 ms, with the silence that ends a turn.
import { readFileSync } from "node:fs";

const CHUNK_BYTES = 4_800;
const TAIL_CHUNKS = 12;

export function chunksOf(path) {
  const file = readFileSync(path);
  const data = file.subarray(file.indexOf("data") + 8);
  const padded = Buffer.alloc(Math.ceil(data.length / CHUNK_BYTES + TAIL_CHUNKS) * CHUNK_BYTES);
  data.copy(padded);
  const chunks = [];
  for (let at = 0; at < padded.length; at += CHUNK_BYTES) {
    chunks.push(padded.subarray(at, at + CHUNK_BYTES));
  }
  return chunks;
}
