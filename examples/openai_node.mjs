// Turnout with OpenAI's SDK for Node: a tool loop, streamed, with hints in the model's name and in a header.
//
// Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.

import { randomUUID } from "node:crypto";
import OpenAI from "openai";

const run = `clerk-${randomUUID()}`;
const client = new OpenAI({
  baseURL: process.env.OPENAI_BASE_URL ?? "http://127.0.0.1:8080/v1",
  apiKey: process.env.OPENAI_API_KEY ?? "unused",
  // Steps of one run are kept together: a warm prompt cache counts, and budgets are shared.
  defaultHeaders: { "x-turnout-run-id": run },
});

const stock = ({ item }) => String({ bolts: 40, nuts: 12 }[item] ?? 0);

const runner = client.chat.completions.runTools({
  model: "auto?step=tool_use&accuracy=0.8",
  stream: true,
  messages: [{ role: "user", content: "How many bolts have we?" }],
  tools: [
    {
      type: "function",
      function: {
        name: "stock",
        description: "How many of an item are in stock.",
        parameters: {
          type: "object",
          properties: { item: { type: "string" } },
          required: ["item"],
          additionalProperties: false,
        },
        strict: true,
        parse: JSON.parse,
        function: stock,
      },
    },
  ],
});

console.log(`run ${run}: ${await runner.finalContent()}`);
