// Turnout with the Vercel AI SDK: an OpenAI-compatible provider, a tool loop, and hints.
//
// Run `turnout serve` (or `make demo`) first. Set OPENAI_BASE_URL and OPENAI_API_KEY where they differ from those below.

import { randomUUID } from "node:crypto";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { isStepCount, streamText, tool } from "ai";
import { z } from "zod";

const run = `clerk-${randomUUID()}`;
const turnout = createOpenAICompatible({
  name: "turnout",
  baseURL: process.env.OPENAI_BASE_URL ?? "http://127.0.0.1:8080/v1",
  apiKey: process.env.OPENAI_API_KEY ?? "unused",
  // Steps of one run are kept together: a warm prompt cache counts, and budgets are shared.
  headers: { "x-turnout-run-id": run },
  includeUsage: true,
});

const result = streamText({
  model: turnout("auto?step=tool_use&accuracy=0.8"),
  prompt: "How many bolts have we?",
  stopWhen: isStepCount(4),
  tools: {
    stock: tool({
      description: "How many of an item are in stock.",
      inputSchema: z.object({ item: z.string() }),
      execute: async ({ item }) => ({ bolts: 40, nuts: 12 })[item] ?? 0,
    }),
  },
});

console.log(`run ${run}: ${await result.text}`);
