/*
 * H56: each public function x {GET, POST, HEAD} x {anon, member, bad token,
 * expired}: status, code and form.
 */
import { claimsOf, get, key, ok, password, post, request, requestOf, sign, signUp, sql } from './harness.mjs';

/* What each needs: an account, arguments; whether it writes; its status when it goes well. */
async function functions(person)
{
	const campaign_id = (await post('create_campaign', { title: 'M', description: '', goal_sat: 10 }, person.token)).body.campaign_id;
	const other = await signUp('matrix_other');
	const theirs = (await post('create_campaign', { title: 'O', description: '', goal_sat: 10 }, other.token)).body.campaign_id;
	const donation_id = (await post('donate', { campaign_id: theirs, amount_sat: 1, idempotency_key: key() }, person.token)).body.donation_id;
	const deposit = (await post('deposit', { amount_sat: 7 }, person.token)).body;
	const { invoice_id, payment_hash } = await requestOf(person, deposit.invoice_id);
	let names = 0;

	return {
		version: { open: true, good: [200] },
		whoami: { open: true, good: [200] },
		account: { good: [200] },
		campaign: { open: true, args: () => ({ campaign_id }), good: [200] },
		campaigns: { open: true, args: () => ({ limit_: 2 }), good: [200] },
		donation: { args: () => ({ donation_id }), good: [200] },
		donations: { args: () => ({ campaign_id }), good: [200] },
		invoice: { args: () => ({ invoice_id }), good: [200] },
		invoices: { good: [200] },
		balance: { good: [200] },
		statement: { good: [200] },
		dashboard: { good: [200] },
		decode_invoice: { open: true, args: async () => ({ payment_request: await sql('SELECT spark_simulator.make_invoice(1)') }), good: [200] },
		register: { open: true, writes: true, args: () => ({ username: `matrix_${names++}`, password }), good: [201] },
		login: { open: true, writes: true, args: () => ({ username: person.name, password }), good: [200] },
		create_campaign: { writes: true, args: () => ({ title: 'N', description: '', goal_sat: 1 }), good: [201] },
		donate: { writes: true, args: () => ({ campaign_id: theirs, amount_sat: 1, idempotency_key: key() }), good: [202] },
		deposit: { writes: true, args: () => ({ amount_sat: 1 }), good: [202] },
		verify_deposit: { writes: true, args: () => ({ payment_hash }), good: [402] },
		withdraw: { writes: true, args: async () => ({ payment_request: await sql('SELECT spark_simulator.make_invoice(1)') }), good: [202] },
		install: { operator: true },
		grant_api: { operator: true, args: () => ({ anonymous: 'anon', member: 'member' }) },
	};
}

/* [statuses, code or null] of one call. */
function expectation(what, method, who)
{
	if (who === 'bad token' || who === 'expired')
		return [[401], /^PGRST30[0-9]$/];
	if (what.operator)
		return [[who === 'anon' ? 401 : 403], /^42501$/];
	if (who === 'anon' && !what.open)
		return [[401], /^SP003$/];
	if (what.writes && method !== 'POST')
		return [[405], /^(?:25006|PGRST101)$/];
	return [what.good, null];
}

/* An open read may say in which form it answers; an error always has four fields. */
function formOf(answer, method, code)
{
	if (method === 'HEAD')
		return answer.body === null;
	if (code === null)
		return answer.body === null || typeof answer.body !== 'string' || !answer.body.startsWith('<');
	return Object.keys(answer.body ?? {}).sort().join(' ') === 'code details hint message' && code.test(answer.body.code);
}

export default async function matrix()
{
	const person = await signUp('matrix');
	const claims = claimsOf(person.token);
	const now = Math.floor(Date.now() / 1000);
	const tokens = {
		anon: undefined,
		member: person.token,
		'bad token': sign(claims, { by: 'x'.repeat(40) }),
		expired: sign({ ...claims, iat: now - 7200, exp: now - 3600 }),
	};

	for (const [name, what] of Object.entries(await functions(person)))
	{
		for (const method of ['GET', 'POST', 'HEAD'])
		{
			for (const [who, token] of Object.entries(tokens))
			{
				const args = what.args ? await what.args() : {};
				const [statuses, code] = expectation(what, method, who);
				const answer = method === 'POST' ? await request('POST', `/rpc/${name}`, { token, body: args }) : await get(name, args, token, method);

				ok(statuses.includes(answer.status) && formOf(answer, method, code),
					`H56 ${method} ${name} by ${who}: ${statuses.join(' or ')}`, `status ${answer.status}`, answer.body ?? '');
			}
		}
	}
}
