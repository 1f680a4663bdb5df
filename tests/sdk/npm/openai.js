// The npm package `openai` holds a spoken turn and a tool turn: node openai.js URL WEATHER.wav
import assert from "node:assert/strict";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { chunksOf } from "./audio.js";

const [url, clip] = process.argv.slice(2);
const client = new OpenAI({ apiKey: "sk-any", baseURL: `${url.replace(/^ws/, "http")}/v1` });
const realtime = new OpenAIRealtimeWS({ model: "gpt-realtime" }, client);
const impatient = setTimeout(() => assert.fail("no end within 20 s"), 20_000);
realtime.on("error", (error) => assert.fail(error));

const next = (kind) => new Promise((resolve) => realtime.once(kind, resolve));

await next("session.created");
realtime.send({
  type: "session.update",
  session: {
    type: "realtime",
    tools: [
      {
        type: "function",
        name: "get_weather",
        parameters: { type: "object", properties: { city: { type: "string" } } },
      },
    ],
  },
});
await next("session.updated");
const called = next("response.done");
for (const chunk of chunksOf(clip)) {
  realtime.send({ type: "input_audio_buffer.append", audio: chunk.toString("base64") });
}
const [call] = (await called).response.output;
assert.equal(call.name, "get_weather");
assert.deepEqual(JSON.parse(call.arguments), { city: "Lisbon" });

const item = { type: "function_call_output", call_id: call.call_id, output: "sunny" };
realtime.send({ type: "conversation.item.create", item });
realtime.send({ type: "response.create" });
const { response } = await next("response.done");
assert.match(response.output[0].content[0].transcript, /sunny/);
realtime.close();
clearTimeout(impatient);
console.log("openai: spoken and tool turn completed");
