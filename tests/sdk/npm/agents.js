// The npm package `@openai/agents` runs a tool by voice: node agents.js URL WEATHER.wav
import assert from "node:assert/strict";
import { setTracingDisabled, tool } from "@openai/agents";
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession } from "@openai/agents/realtime";
import { z } from "zod";
import { chunksOf } from "./audio.js";

const [url, clip] = process.argv.slice(2);
const asked = [];
setTracingDisabled(true);
const weather = tool({
  name: "get_weather",
  description: "Today's weather in a city.",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    asked.push(city);
    return "sunny";
  },
});
const agent = new RealtimeAgent({ name: "clerk", instructions: "Be brief.", tools: [weather] });
const session = new RealtimeSession(agent, {
  transport: new OpenAIRealtimeWebSocket({ url: `${url}/v1/realtime?model=gpt-realtime` }),
});
const impatient = setTimeout(() => assert.fail("no end within 20 s"), 20_000);
session.on("error", ({ error }) => assert.fail(JSON.stringify(error)));

const told = new Promise((resolve) => {
  session.on("history_updated", (history) => {
    const words = history.flatMap((item) => item.content ?? []).map((part) => part.transcript);
    if (words.some((text) => text?.includes("sunny"))) resolve();
  });
});
await session.connect({ apiKey: "sk-any" });
for (const chunk of chunksOf(clip)) {
  session.sendAudio(chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + chunk.byteLength));
}
await told;
assert.deepEqual(asked, ["Lisbon"]);
session.close();
clearTimeout(impatient);
console.log("@openai/agents: spoken tool turn completed");
