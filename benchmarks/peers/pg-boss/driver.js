// See ../README.md for what a driver is told and says.
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { PgBoss } from "pg-boss";

const { PEER_URL: connectionString, PEER_JOBS, PEER_BATCH, PEER_CONCURRENCY, PEER_INSERT_BATCH } = process.env;
const [jobs, batchSize, loops, insertBatch] = [PEER_JOBS, PEER_BATCH, PEER_CONCURRENCY, PEER_INSERT_BATCH].map(Number);
const { version } = JSON.parse(readFileSync(new URL("node_modules/pg-boss/package.json", import.meta.url)));
const queue = "nothing";

const boss = new PgBoss({ connectionString, supervise: false, schedule: false });
boss.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
await boss.start();

async function ready() {
  console.log(`ready ${version}`);
  await once(process.stdin, "data");
}

async function enqueue() {
  await boss.createQueue(queue);
  await ready();
  for (let from = 0; from < jobs; from += insertBatch) {
    const length = Math.min(insertBatch, jobs - from);
    await boss.insert(queue, Array.from({ length }, (_, i) => ({ data: { id: from + i } })));
  }
  return jobs;
}

async function work() {
  let count = 0;
  const nothing = () => void ++count;
  async function loop() {
    for (;;) {
      const fetched = await boss.fetch(queue, { batchSize });
      if (!fetched?.length) return;
      fetched.forEach(nothing);
      await boss.complete(queue, fetched.map((job) => job.id));
    }
  }
  await ready();
  await Promise.all(Array.from({ length: loops }, loop));
  return count;
}

const count = await (process.argv[2] === "enqueue" ? enqueue() : work());
process.stdout.write(`done ${count}\n`, () => process.exit(0));
