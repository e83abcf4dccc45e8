/*
 * H1, H58: many clients of two people in turn over a pool of a few connections:
 * no answer ever shows the other's data.
 */
import { get, ok, signUp } from './harness.mjs';

const clients = 64;
const rounds = 5;

export default async function strangers()
{
	const people = [await signUp('h58_one'), await signUp('h58_two')];
	const wrong = [];

	await Promise.all(Array.from({ length: clients }, async (_, number) =>
	{
		for (let round = 0; round < rounds; round++)
		{
			const person = people[(number + round) % 2];
			const [account, who, nobody] = [await get('account', {}, person.token), await get('whoami', {}, person.token), await get('whoami')];

			if (account.body.username !== person.name || who.body !== person.id || nobody.body !== null)
				wrong.push([person.name, account.body, who.body, nobody.body]);
		}
	}));
	ok(wrong.length === 0, `H58 ${clients} clients, two people: everybody sees his own`, ...wrong.slice(0, 3));
}
