/*
 * run.mjs
 *		Runs every *.test.mjs beside it, in order of their names.
 */
import { readdirSync } from 'node:fs';
import { done, ok } from './harness.mjs';

const folder = new URL('.', import.meta.url);

for (const file of readdirSync(folder).filter((name) => name.endsWith('.test.mjs')).sort())
{
	console.log(`# ${file}`);
	try
	{
		await (await import(new URL(file, folder))).default();
	}
	catch (error)
	{
		ok(false, `${file} runs to its end`, ...String(error.stack).split('\n'));
	}
}
process.exit(done() ? 1 : 0);
