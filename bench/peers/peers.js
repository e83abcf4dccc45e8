// peers.js
//		The queues of Node, graphile-worker and pg-boss, in one process.
//
// Reads a command a line, answers one line each: "ok" and figures, or "failed"
// and why. Each works in its fast documented mode: graphile-worker with a local
// queue of 500 and completions in batches, pg-boss by fetch and complete of 500.
// For latency both are woken by NOTIFY.
//
//		setup                      schemas and queues
//		drain PEER nothing|book N  works off N: answers the client's microseconds
//		listen PEER N              answers "ok" when ready, and once more after N
import { createInterface } from 'node:readline';
import pg from 'pg';
import { Logger, run, runMigrations } from 'graphile-worker';
import { PgBoss } from 'pg-boss';

const pool = new pg.Pool({ max: 24, idleTimeoutMillis: 0 });
const silent = new Logger(() => () => {});
const fast = {
	concurrentJobs: 24,
	localQueue: { size: 500 },
	completeJobBatchDelay: 0,
	failJobBatchDelay: 0,
};
const own = { supervise: false, schedule: false };
const boss = new PgBoss({ ...own, db: { executeSql: (text, values) => pool.query(text, values) } });

const update = 'UPDATE bench.account SET balance = balance + 1 WHERE id = $1';
// Where the peer cannot acknowledge in the transaction of the effect: a row a job.
const updateOnce = `WITH new AS (INSERT INTO graphile_bench.inbox VALUES ($2) ON CONFLICT DO NOTHING RETURNING 1)
	${update} AND EXISTS (SELECT FROM new)`;

// Every connection is open before something is measured, and stays.
async function warm() {
	const clients = await Promise.all(Array.from({ length: 24 }, () => pool.connect()));
	await Promise.all(clients.map((client) => client.query('SELECT 1')));
	for (const client of clients) client.release();
}

const mark = (name) => pool.query({ name: 'mark', text: 'SELECT bench.mark($1, true)', values: [name] });

// Measures work(): its marks, and the processor time of this process.
async function measured(work) {
	await warm();
	await mark('begin');
	const before = process.cpuUsage();
	await work();
	const spent = process.cpuUsage(before);
	await mark('end');
	return spent.user + spent.system;
}

function counter(total) {
	let left = total;
	let finish;
	const done = new Promise((resolve) => { finish = resolve; });
	return { done, count: () => { if (--left === 0) finish(); } };
}

async function drainGraphile(what, total) {
	const { done, count } = counter(total);
	const book = (payload, helpers) => pool.query({
		name: 'update-once', text: updateOnce, values: [payload.account, helpers.job.id] });
	const task = what === 'nothing' ? () => count() : async (payload, helpers) => {
		await book(payload, helpers);
		count();
	};
	const runner = await run({
		pgPool: pool, noHandleSignals: true, logger: silent, taskList: { [what]: task }, preset: { worker: fast } });
	await done;
	await runner.stop();
}

async function takeOfBoss(what, most, db) {
	const jobs = await boss.fetch(what, { batchSize: most, priority: false, db });
	if (jobs.length > 0) await boss.complete(what, jobs.map((job) => job.id), null, { db });
	return jobs;
}

async function drainBoss(what, total) {
	const handle = async (job) => job.data;
	let left = total;
	while (left > 0 && what === 'nothing') {
		const jobs = await boss.fetch(what, { batchSize: Math.min(left, 500), priority: false });
		for (const job of jobs) await handle(job);
		await boss.complete(what, jobs.map((job) => job.id));
		left -= jobs.length;
	}
	// Exactly once: taken, handled and completed in one transaction of 100.
	while (left > 0) {
		const client = await pool.connect();
		const db = { executeSql: (text, values) => client.query(text, values) };
		await client.query('BEGIN');
		const jobs = await takeOfBoss(what, 100, db);
		for (const job of jobs) await client.query({ name: 'update', text: update, values: [job.data.account] });
		await client.query('COMMIT');
		client.release();
		left -= jobs.length;
	}
}

// Wall clock as the server sees it, finer than a millisecond: no reading of the
// coarse clock is ahead of the time, so the greatest difference is the nearest.
function clock() {
	const end = performance.now() + 50;
	let base = -Infinity;
	while (performance.now() < end) base = Math.max(base, Date.now() - performance.now());
	return () => (base + performance.now()) / 1000;
}

async function listen(peer, total) {
	const now = clock();
	const heard = [];
	const { done, count } = counter(total);
	const hear = (key) => { heard.push([key, now()]); count(); };
	let stop;
	if (peer === 'graphile-worker') {
		const runner = await run({
			pgPool: pool, noHandleSignals: true, logger: silent,
			taskList: { heard: (payload) => hear(payload.key) }, preset: { worker: { concurrentJobs: 4 } } });
		stop = () => runner.stop();
	} else {
		const woken = new PgBoss({ ...own, useListenNotify: true });
		woken.on('error', () => {});
		await woken.start();
		await woken.work('heard', { batchSize: 100, pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5,
			burstWhenBatchFull: true }, async (jobs) => { for (const job of jobs) hear(job.data.key); });
		stop = () => woken.stop({ graceful: false, close: true });
	}
	await new Promise((resolve) => { setTimeout(resolve, 500); });
	say('ok');
	await done;
	await stop();
	await pool.query('INSERT INTO bench.heard SELECT (h ->> 0)::uuid, to_timestamp((h ->> 1)::float8) FROM jsonb_array_elements($1) h',
		[JSON.stringify(heard)]);
}

async function setup() {
	await pool.query('CREATE SCHEMA graphile_bench');
	await pool.query('CREATE TABLE graphile_bench.inbox (id bigint PRIMARY KEY)');
	await runMigrations({ pgPool: pool, logger: silent });
	await boss.start();
	await boss.createQueue('nothing');
	await boss.createQueue('book');
	await boss.createQueue('heard', { notify: true });
	await warm();
}

const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);

const commands = {
	setup,
	drain: (peer, what, total) => measured(() =>
		(peer === 'pg-boss' ? drainBoss : drainGraphile)(what, Number(total))),
	listen: (peer, total) => listen(peer, Number(total)),
};

pool.on('error', () => {});
pool.on('connect', (client) => client.on('error', () => {}));
boss.on('error', (error) => process.stderr.write(`${error}\n`));
for await (const line of createInterface({ input: process.stdin })) {
	const [name, ...words] = line.split(' ');
	try {
		say('ok', (await commands[name](...words)) ?? '');
	} catch (error) {
		process.stderr.write(`${error.stack}\n`);
		say('failed', String(error.message).replaceAll('\n', ' '));
	}
}
process.exit(0);
