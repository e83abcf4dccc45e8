/*
 * Each code that a caller can provoke, over HTTP: status, code, form; and the
 * same code by SQL (H32).
 */
import { equal, fund, get, key, ok, post, refused, request, requestOf, signUp, sql, sqlstate } from './harness.mjs';

const nowhere = '01900000-0000-7000-8000-000000000000';
/* An example of the BOLT 11 specification: of the main network. */
const mainnet = 'lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fxdwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql';

/* Both forms of one refusal. */
async function both(name, args, person, status, code, why)
{
	const answer = await post(name, args, person?.token);
	const words = Object.entries(args).map(([argument, value]) =>
		`${argument} => ${value === null ? 'NULL' : `'${String(value).replaceAll("'", "''")}'`}`).join(', ');

	refused(answer, status, code, why);
	equal(await sqlstate(`SELECT * FROM spark.${name}(${words})`, { role: 'client', token: person?.token }), code, `${why}: ${code} by SQL`);
	return answer;
}

async function common(alice, campaign_id)
{
	await both('donate', { campaign_id, amount_sat: 0, idempotency_key: key() }, alice, 400, 'SP001', 'an amount of nothing');
	await both('donate', { campaign_id, amount_sat: null, idempotency_key: key() }, alice, 400, 'SP001', 'NULL for a required argument');
	await both('deposit', { amount_sat: 2100000000000001 }, alice, 400, 'SP001', 'more than all bitcoin');
	await both('campaigns', { limit_: 501 }, alice, 400, 'SP001', 'a page of 501');
	await both('campaigns', { after: nowhere }, alice, 404, 'SP002', 'a page after nothing');
	await both('campaign', { campaign_id: nowhere }, undefined, 404, 'SP002', 'a campaign that is not there');
	await both('donate', { campaign_id: nowhere, amount_sat: 1, idempotency_key: key() }, alice, 404, 'SP002', 'a donation to nothing');
	await both('donate', { campaign_id, amount_sat: 1, idempotency_key: '' }, alice, 400, 'SP006', 'an empty key');
	await both('donate', { campaign_id, amount_sat: 1, idempotency_key: null }, alice, 400, 'SP006', 'no key');
	await both('verify_deposit', { payment_hash: 'nonsense' }, alice, 400, 'SP001', 'a malformed hash');
	const nobody = await both('balance', {}, undefined, 401, 'SP003', 'nobody signed in');
	equal(nobody.headers.get('www-authenticate'), 'Bearer', 'H37 a 401 says how to sign in');
	await both('donate', { campaign_id: null, amount_sat: 0, idempotency_key: '' }, undefined, 401, 'SP003', 'nobody, whatever else is wrong');
	await both('donate', { campaign_id, amount_sat: 1, idempotency_key: key() }, alice, 422, 'SP301', 'the own campaign');
}

async function payments(alice, bob)
{
	const deposit = await post('deposit', { amount_sat: 500 }, alice.token);
	const own = await requestOf(alice, deposit.body.invoice_id);
	const soon = await sql("SELECT spark_simulator.make_invoice(10, 'soon over', 10)");
	const fixed = await sql('SELECT spark_simulator.make_invoice(10)');
	const open = await sql('SELECT spark_simulator.make_invoice(NULL)');

	await both('withdraw', { payment_request: 'lnbcrt1nonsense' }, alice, 400, 'SP400', 'a malformed request');
	await both('withdraw', { payment_request: mainnet, amount_sat: 1 }, alice, 422, 'SP401', 'a request of another network');
	await both('withdraw', { payment_request: soon }, alice, 410, 'SP402', 'a request that is soon over');
	await both('withdraw', { payment_request: fixed, amount_sat: 10 }, alice, 422, 'SP403', 'an amount given twice');
	await both('withdraw', { payment_request: open }, alice, 422, 'SP403', 'an amount that is missing');
	await both('withdraw', { payment_request: own.payment_request }, alice, 422, 'SP408', 'the own invoice');
	await post('withdraw', { payment_request: fixed }, alice.token);
	await both('withdraw', { payment_request: fixed }, bob, 409, 'SP404', "a request of another's withdrawal");
	refused(await get('invoice', { invoice_id: deposit.body.invoice_id }, bob.token), 404, 'SP002', "another's invoice");
}

/* H14, H15: settings that any client can write are not believed. */
async function trust(alice)
{
	const claims = JSON.stringify({ sub: alice.id, role: 'member' });

	equal(await sql(`SET request.jwt.claims = '${claims}'; SELECT spark.whoami() IS NULL`, { role: 'client' }), 't', 'H14 claims of a psql user are not believed');
	equal(await sql(`SET request.jwt.claims = '${claims}'; SET ROLE member; SELECT spark.whoami() IS NULL`), 't', 'H15 SET ROLE does not change that');
	equal(await sql(`SET request.jwt.claims = '${claims}'; SELECT spark.whoami()`, { role: 'authenticator' }).catch((error) => error.stderr.includes('permission denied')),
		true, 'the role of the front has no rights of its own');
}

/* A name that cools down says for how long. */
async function coolDown()
{
	await sql(`DO $$ BEGIN
		FOR i IN 1..100 LOOP
			BEGIN PERFORM spark.login('guessed', 'not the password at all'); EXCEPTION WHEN SQLSTATE 'SP101' THEN NULL; END;
		END LOOP;
	END $$`);
	const login = await both('login', { username: 'guessed', password: 'not the password at all' }, undefined, 429, 'SP007', 'a name that was guessed at');
	const seconds = Number(/Try again in (\d+) s/.exec(login.body.details)?.[1]);

	ok(seconds > 5 && seconds <= 30, 'the cool-down has its seconds');
	equal(Number(login.headers.get('retry-after')), seconds, 'H37 and Retry-After the same ones');
}

async function reading(alice)
{
	const login = await get('login', { username: alice.name, password: 'not the password at all' });

	equal(login.status, 405, 'login by GET is 405');
	ok(/^\d+\.\d+\.\d+$/.test((await get('version')).body), 'the version is three numbers');
	const openapi = await request('GET', '/');
	const paths = Object.keys(openapi.body.paths ?? {});
	equal(paths.filter((path) => /install|grant/.test(path)), [], 'H8 what is for operators is not in the OpenAPI description');
	ok(paths.includes('/rpc/donate'), 'what is for people is');
}

export default async function errors()
{
	const carol = await signUp('carol');
	const dave = await signUp('dave');
	const campaign = await post('create_campaign', { title: 'T', description: '', goal_sat: 10 }, carol.token);

	await fund(carol, 1000);
	await common(carol, campaign.body.campaign_id);
	await payments(carol, dave);
	await trust(carol);
	await coolDown();
	await reading(carol);
}
