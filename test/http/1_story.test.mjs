/*
 * The whole story over HTTP: what a front end does, from sign-up to withdrawal.
 */
import { claimsOf, equal, fund, get, key, ok, password, post, refused, requestOf, signUp, sql, waitFor } from './harness.mjs';

async function people()
{
	const registered = await post('register', { username: '  Alice ', password });

	equal(registered.status, 201, 'register answers 201');
	equal(Object.keys(registered.body), ['account_id', 'username', 'created_at'], 'with the account');
	equal(registered.body.username, 'alice', 'whose name is trimmed and lower-cased');
	refused(await post('register', { username: 'ALICE', password }), 409, 'SP102', 'a taken name');
	refused(await post('register', { username: 'shorty', password: 'short' }), 400, 'SP001', 'a short password');

	const login = await post('login', { username: 'Alice', password });
	equal(login.status, 200, 'login answers 200');
	equal([login.body.token_type, login.body.expires_in], ['bearer', 3600], 'with a bearer token for an hour');
	const claims = claimsOf(login.body.access_token);
	equal([claims.sub, claims.role, claims.exp - claims.iat], [registered.body.account_id, 'member', 3600], 'whose claims name the account and the role');

	const wrong = await post('login', { username: 'alice', password: password + '!' });
	const unknown = await post('login', { username: 'nobody-of-that-name', password });
	refused(wrong, 401, 'SP101', 'a wrong password');
	equal(unknown.body, wrong.body, 'an unknown name gets the same answer');

	const alice = { name: 'alice', id: registered.body.account_id, token: login.body.access_token };
	equal((await get('whoami', {}, alice.token)).body, alice.id, 'whoami says who the token is of');
	equal((await get('whoami')).body, null, 'and nobody without one');
	equal((await get('account', {}, alice.token)).body, registered.body, 'account is the registered one');
	return { alice, bob: await signUp('bob') };
}

async function campaignOf(alice, bob)
{
	const created = await post('create_campaign', { title: 'A well', description: 'Water', goal_sat: 50000 }, alice.token);

	equal(created.status, 201, 'create_campaign answers 201');
	ok((created.headers.get('location') ?? '').includes(created.body.campaign_id), 'with a Location that names it', created.headers.get('location') ?? 'none');
	equal((await get('campaign', { campaign_id: created.body.campaign_id }, bob.token)).body, created.body, 'others see the same row');
	equal((await get('campaigns')).body.map((row) => row.campaign_id).includes(created.body.campaign_id), true, 'the list has it, open to anybody');

	const id = key();
	const again = () => post('create_campaign', { title: 'Again', description: '', goal_sat: 1, campaign_id: id }, alice.token);
	const first = await again();
	const second = await again();
	equal([first.status, first.body.campaign_id, second.body], [201, id, first.body], 'with an id of the caller the call is repeatable');
	equal(second.headers.get('idempotent-replayed'), 'true', 'and the repetition is told in a header');
	refused(await post('create_campaign', { title: 'Other', description: '', goal_sat: 1, campaign_id: id }, alice.token), 422, 'SP005', 'the same id with another title');
	return created.body;
}

async function depositOf(bob)
{
	const idempotency_key = key();
	const asked = await post('deposit', { amount_sat: 100000, idempotency_key }, bob.token);

	equal([asked.status, asked.body.status, asked.body.kind, asked.body.amount_msat], [202, 'pending', 'deposit', 100000000], 'deposit answers 202');
	ok((asked.headers.get('location') ?? '').includes(asked.body.invoice_id), 'with a Location to look at', asked.headers.get('location') ?? 'none');
	const invoice = await requestOf(bob, asked.body.invoice_id);
	ok(/^lnbcrt/.test(invoice.payment_request), 'the payment request comes a moment later');
	equal((await post('verify_deposit', { payment_hash: invoice.payment_hash }, bob.token)).status, 402, 'verify_deposit answers 402 while it is not paid');
	await sql(`SELECT spark_simulator.pay('${invoice.payment_request}')`);
	await waitFor(async () => (await post('verify_deposit', { payment_hash: invoice.payment_hash }, bob.token)).status === 200,
		'and 200 when it is');
	await waitFor(async () => (await get('balance', {}, bob.token)).body.available_sat === 100000, 'the balance follows');
	const repeated = await post('deposit', { amount_sat: 100000, idempotency_key }, bob.token);
	equal([repeated.status, repeated.body.invoice_id], [202, invoice.invoice_id], 'the same key gives the same invoice');
}

async function donationOf(bob, alice, campaign)
{
	const args = { campaign_id: campaign.campaign_id, amount_sat: 30000, idempotency_key: key() };
	const donated = await post('donate', args, bob.token);

	equal([donated.status, donated.body.status, donated.body.amount_sat], [202, 'pending', 30000], 'donate answers 202');
	ok((donated.headers.get('location') ?? '').includes(donated.body.donation_id), 'with a Location to look at');
	await waitFor(async () => (await get('donation', { donation_id: donated.body.donation_id }, bob.token)).body.status === 'confirmed',
		'the donation is confirmed');
	await waitFor(async () => (await get('campaign', { campaign_id: campaign.campaign_id })).body.raised_sat === 30000, 'the total moves');
	equal((await post('donate', args, bob.token)).body.donation_id, donated.body.donation_id, 'a repeated call is the same donation');
	refused(await post('donate', { ...args, amount_sat: 1 }, bob.token), 422, 'SP005', 'the same key with another amount');
	equal((await get('donation', { donation_id: donated.body.donation_id }, alice.token)).body.idempotency_key, null, "another's key is not shown");
}

async function withdrawalOf(alice)
{
	const request = await sql("SELECT spark_simulator.make_invoice(20000, 'wallet')");
	const asked = await post('withdraw', { payment_request: request }, alice.token);

	equal([asked.status, asked.body.kind, asked.body.status], [202, 'withdrawal', 'pending'], 'withdraw answers 202');
	await waitFor(async () => (await get('invoice', { invoice_id: asked.body.invoice_id }, alice.token)).body.status === 'paid', 'the withdrawal is paid');
	await waitFor(async () => (await get('balance', {}, alice.token)).body.reserved_msat === 0, 'nothing stays reserved');
	const balance = (await get('balance', {}, alice.token)).body;
	equal(balance.posted_msat, 9999000, 'the balance is less by amount and fee');
	const lines = (await get('statement', {}, alice.token)).body;
	equal(lines.filter((line) => line.state === 'posted').reduce((sum, line) => sum + line.amount_msat, 0), balance.posted_msat,
		'the statement adds up to it');
	await waitFor(async () => (await get('dashboard', {}, alice.token)).body.balance_msat === 9999000, 'and the dashboard agrees');
}

/* H57: the same query by psql with the same token gives the same rows. */
async function sameBySql(person, campaign)
{
	const queries = { account: {}, balance: {}, dashboard: {}, invoices: {}, statement: {}, campaigns: {},
		donations: { campaign_id: campaign.campaign_id }, campaign: { campaign_id: campaign.campaign_id } };

	for (const [name, args] of Object.entries(queries))
	{
		const words = Object.entries(args).map(([argument, value]) => `${argument} => '${value}'`).join(', ');
		const rows = JSON.parse(await sql(`SELECT coalesce(jsonb_agg(to_jsonb(f)), '[]') FROM spark.${name}(${words}) f`,
			{ role: 'client', token: person.token }));
		const body = (await get(name, args, person.token)).body;
		const canonical = (value) => JSON.stringify(value, (_, inner) =>
			inner && typeof inner === 'object' && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort()) : inner);
		equal(canonical([body].flat()), canonical(rows), `H57 ${name} of ${person.name} is the same by SQL`);
	}
}

export default async function story()
{
	const { alice, bob } = await people();
	const campaign = await campaignOf(alice, bob);

	await depositOf(bob);
	await donationOf(bob, alice, campaign);
	await withdrawalOf(alice);
	await sameBySql(alice, campaign);
	await sameBySql(bob, campaign);
	await fund(bob, 1000);
	equal(await sql('SELECT sum(debits_posted_msat) = sum(credits_posted_msat) FROM spark_ops.trial_balance()'), 't', 'the trial balance is even');
	equal(await sql("SELECT coalesce(string_agg(invariant || ' ' || detail, '; '), '') FROM spark_ops.verify() WHERE NOT ok"), '', 'every invariant holds');
}
