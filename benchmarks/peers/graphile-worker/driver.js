// See ../README.md for what a driver is told and says.
import { readFileSync } from "node:fs";
import { once } from "node:events";

process.env.NO_LOG_SUCCESS = "1"; // as its own benchmark has it; read at import
const { makeWorkerUtils, runOnce } = await import("graphile-worker");

const { PEER_URL: connectionString, PEER_JOBS, PEER_BATCH, PEER_CONCURRENCY, PEER_INSERT_BATCH } = process.env;
const [jobs, batch, concurrentJobs, insertBatch] = [PEER_JOBS, PEER_BATCH, PEER_CONCURRENCY, PEER_INSERT_BATCH].map(Number);
const { version } = JSON.parse(readFileSync(new URL("node_modules/graphile-worker/package.json", import.meta.url)));

async function ready() {
  console.log(`ready ${version}`);
  await once(process.stdin, "data");
}

async function enqueue() {
  const utils = await makeWorkerUtils({ connectionString });
  await utils.migrate();
  await ready();
  for (let from = 0; from < jobs; from += insertBatch) {
    const length = Math.min(insertBatch, jobs - from);
    await utils.addJobs(Array.from({ length }, (_, i) => ({ identifier: "nothing", payload: { id: from + i } })));
  }
  await utils.release();
  return jobs;
}

async function work() {
  let count = 0;
  const batching = batch > 1;
  const worker = {
    connectionString,
    concurrentJobs,
    maxPoolSize: concurrentJobs + 1,
    localQueue: batching ? { size: batch, refetchDelay: { durationMs: 10 } } : { size: -1 },
    completeJobBatchDelay: batching ? 0 : -1,
    failJobBatchDelay: batching ? 0 : -1,
  };
  await ready();
  await runOnce({ preset: { worker }, taskList: { nothing: () => void ++count } });
  return count;
}

const count = await (process.argv[2] === "enqueue" ? enqueue() : work());
process.stdout.write(`done ${count}\n`, () => process.exit(0));
