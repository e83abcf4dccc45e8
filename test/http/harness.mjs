/*
 * harness.mjs
 *		What the tests over HTTP stand on: calls of PostgREST, tokens, a look
 *		behind by psql, and results as TAP lines.  Node's own modules only.
 *
 * SPARK_URL: where PostgREST listens.  SPARK_SECRET: the file with the secret of
 * the tokens.  psql finds the database by the usual variables.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify, isDeepStrictEqual } from 'node:util';

const url = process.env.SPARK_URL;
const secret = readFileSync(process.env.SPARK_SECRET, 'utf8').replace(/\n$/, '');
const run = promisify(execFile);

export const password = 'correct horse battery staple';
export const key = randomUUID;

/* ------------------------------------------------------------- results */

let count = 0;
let failures = 0;

export function ok(good, name, ...why)
{
	count++;
	if (!good)
		failures++;
	console.log(`${good ? 'ok' : 'not ok'} ${count} - ${name}`);
	if (!good)
		for (const line of why)
			console.log(`# ${typeof line === 'string' ? line : JSON.stringify(line)}`);
	return good;
}

export function equal(is, expected, name)
{
	return ok(isDeepStrictEqual(is, expected), name, `is:       ${JSON.stringify(is)}`, `expected: ${JSON.stringify(expected)}`);
}

export function done()
{
	console.log(`1..${count}`);
	return failures;
}

/* --------------------------------------------------------------- calls */

/* One request; body is parsed where it is JSON. */
export async function request(method, path, { token, body, headers = {} } = {})
{
	const answer = await fetch(url + path, {
		method,
		headers: {
			...(token ? { authorization: `Bearer ${token}` } : {}),
			...(body !== undefined ? { 'content-type': 'application/json' } : {}),
			...headers,
		},
		body: body === undefined ? undefined : JSON.stringify(body),
	});
	const text = await answer.text();
	let parsed = text;

	try
	{
		parsed = text === '' ? null : JSON.parse(text);
	}
	catch
	{
		/* not JSON: the test sees the text */
	}
	return { status: answer.status, headers: answer.headers, body: parsed };
}

/* A command: POST with arguments. */
export function post(name, args = {}, token = undefined)
{
	return request('POST', `/rpc/${name}`, { token, body: args });
}

/* A query: GET with arguments. */
export function get(name, args = {}, token = undefined, method = 'GET')
{
	const query = new URLSearchParams(Object.entries(args)).toString();

	return request(method, `/rpc/${name}${query ? '?' + query : ''}`, { token });
}

/* An error has status, code and four fields, and its words name no value. */
export function refused(answer, status, code, name)
{
	const body = answer.body ?? {};
	const fields = Object.keys(body).sort().join(' ');

	return ok(answer.status === status && body.code === code && fields === 'code details hint message',
		`${name}: ${status} ${code}`, `status ${answer.status}`, body);
}

export async function waitFor(ask, name, patience = 30000)
{
	const deadline = Date.now() + patience;
	let last;

	do
	{
		last = await ask();
		if (last)
			return name ? ok(true, name) : last;
		await new Promise((wake) => setTimeout(wake, 50));
	} while (Date.now() < deadline);
	return ok(false, name ?? 'something awaited', `still not so after ${patience} ms`);
}

/* -------------------------------------------------------------- people */

/* Registers and logs in: { name, token, id }. */
export async function signUp(name)
{
	const account = await post('register', { username: name, password });
	const login = await post('login', { username: name, password });

	if (account.status !== 201 || login.status !== 200)
		throw new Error(`${name} cannot sign up: ${JSON.stringify([account, login])}`);
	return { name, token: login.body.access_token, id: account.body.account_id };
}

/* Deposits and has it paid. */
export async function fund(person, sat)
{
	const deposit = await post('deposit', { amount_sat: sat }, person.token);
	const invoice = await requestOf(person, deposit.body.invoice_id);

	await sql(`SELECT spark_simulator.pay('${invoice.payment_request}')`);
	await waitFor(async () => (await get('balance', {}, person.token)).body.available_sat >= sat);
	return invoice.invoice_id;
}

/* The invoice, once it has its payment request. */
export async function requestOf(person, id)
{
	let invoice;

	await waitFor(async () =>
	{
		invoice = (await get('invoice', { invoice_id: id }, person.token)).body;
		return invoice.payment_request !== null;
	});
	return invoice;
}

const base64url = (text) => Buffer.from(text).toString('base64url');

/* A token of our own making, signed with that secret. */
export function sign(claims, { by = secret, header = { alg: 'HS256', typ: 'JWT' } } = {})
{
	const head = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`;

	return `${head}.${createHmac('sha256', by).update(head).digest('base64url')}`;
}

export function claimsOf(token)
{
	return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
}

/* -------------------------------------------------------------- behind */

/* One statement by psql, as superuser or another role; its only value. */
export async function sql(statement, { role = 'postgres', token } = {})
{
	const words = ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--set=ON_ERROR_STOP=1', '--set=VERBOSITY=verbose',
		`--username=${role}`, ...(token ? [`--command=SET spark.token = '${token}'`] : []), `--command=${statement}`];
	const { stdout } = await run('psql', words);

	return stdout.trim();
}

/* The SQLSTATE of a statement that must fail. */
export async function sqlstate(statement, options)
{
	try
	{
		await sql(statement, options);
		return '00000';
	}
	catch (error)
	{
		return /ERROR:  ([0-9A-Z]{5}):/.exec(error.stderr ?? '')?.[1] ?? String(error);
	}
}
