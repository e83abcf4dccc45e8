/*
 * compare.mjs
 *		L79: what spark reads in thousands of invoices, good and bent, beside what
 *		the Lightning Development Kit reads in them. An independent reader: other
 *		people, another language, the same specification.
 *
 * compare.mjs SEED; standard input: the lines of `invoices`. Prints TAP.
 */
import { readFileSync } from 'node:fs';
import * as ldk from 'lightningdevkit';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const optional = (option) => (option instanceof ldk.Option_u64Z_Some ? option.some : -1n);
const networks = {
	[ldk.Currency.LDKCurrency_Bitcoin]: 'bitcoin',
	[ldk.Currency.LDKCurrency_BitcoinTestnet]: 'testnet',
	[ldk.Currency.LDKCurrency_Signet]: 'signet',
	[ldk.Currency.LDKCurrency_Regtest]: 'regtest',
};

/*
 * Where the two read the specification otherwise, and spark means to: what it
 * refuses for these reasons, the other may read.
 */
const stricter = [
	/^The amount is (?:zero, or begins with a zero|more than all bitcoin)\.$/,	// L69
	/^A number has zeros before it\.$/,
	/^The feature bits have zeros before them\.$/,
	/^A field is padded with more than it needs, or not with zeros\.$/,	// L72
	/^The description is not UTF-8, or holds a NUL\.$/,	// L73: NUL
	/^It requires feature \d+, which is not known here\.$/,
	/^Its expiry lies beyond all times\.$/,
	/^It is longer than 7,089 characters\.$/,	// L68
];

/* Whether it is described by a hash: of that only whether it is ours can be asked. */
function hashed(raw, ours)
{
	const theirs = raw.description_hash();

	if (!theirs || theirs.ptr === 0n)
		return false;
	return ours === undefined || theirs.eq(ldk.Sha256.constructor_from_bytes(Buffer.from(ours, 'hex')));
}

/* What the other says of a text, in the words of `invoices`; null: it refuses. */
function otherReading(text, ourHash)
{
	const parsed = ldk.Bolt11Invoice.constructor_from_str(text);

	if (!(parsed instanceof ldk.Result_Bolt11InvoiceParseOrSemanticErrorZ_OK))
		return null;

	const invoice = parsed.res;
	const raw = invoice.into_signed_raw().raw_invoice();
	const metadata = invoice.payment_metadata();
	const said = {
		network: networks[invoice.currency()] ?? 'unknown',
		amount: String(optional(invoice.amount_milli_satoshis())),
		timestamp: String(invoice.duration_since_epoch()),
		expiry: String(invoice.expiry_time()),
		cltv: String(invoice.min_final_cltv_expiry_delta()),
		routes: String(invoice.private_routes().length),
		hash: hex(invoice.payment_hash()),
		secret: hex(invoice.payment_secret()),
		payee: hex(invoice.get_payee_pub_key()),
		features: hex(invoice.features().write().slice(2)),
	};
	const description = raw.description();

	if (description && description.ptr !== 0n)
		said.description = hex(Buffer.from(description.as_inner().get_a(), 'utf8'));
	if (hashed(raw, ourHash))
		said.description_hash = ourHash ?? 'one';
	if (metadata instanceof ldk.Option_CVec_u8ZZ_Some)
		said.metadata = hex(metadata.some);
	return said;
}

/* Feature bits without the zeros that may stand before them. */
const withoutZeros = (text) => (text ?? '').replace(/^(?:00)+/, '');

/* The names of what they see otherwise. */
function differences(ours, theirs)
{
	return [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].filter((name) => (name === 'features'
		? withoutZeros(ours[name]) !== withoutZeros(theirs[name])
		: ours[name] !== theirs[name]));
}

const counts = { read: 0, refused: 0, stricter: {}, lenient: {} };
const wrong = { good: [], verdict: [], content: [] };

/* Of these, bits that nobody reads are signed as they stand here, and as they are written again there. */
const unreadBits = new Set(['padding', 'route or fallback', 'doubled field']);

function judge(line)
{
	const [how, text, excuse, verdict, ...rest] = line.split('\t');
	const ourHash = rest.find((pair) => pair.startsWith('description_hash='))?.slice('description_hash='.length);
	const theirs = otherReading(text, ourHash);

	if (how === 'good' && (verdict === 'refused' || theirs === null))
		wrong.good.push(text);
	else if (verdict === 'refused' && theirs === null)
		counts.refused++;
	else if (verdict === 'refused')
	{
		counts.stricter[rest[0]] = (counts.stricter[rest[0]] ?? 0) + 1;
		if (!stricter.some((reason) => reason.test(rest[0])) && !(how === 'bent' && /^The signature is not one of the payee/.test(rest[0])))
			wrong.verdict.push(`${how}, refused here, ${rest[0]} ${text}`);
	}
	else if (theirs === null)
	{
		counts.lenient[excuse] = (counts.lenient[excuse] ?? 0) + 1;
		if (excuse === '-')
			wrong.verdict.push(`${how}, refused there: ${text}`);
	}
	else
	{
		const ours = Object.fromEntries(rest.map((pair) => pair.split('=')));
		const differing = differences(ours, theirs).filter((name) => name !== 'payee' || !unreadBits.has(excuse));

		counts.read++;
		if (differing.length > 0)
			wrong.content.push(`${how}, ${differing.map((name) => `${name} ${ours[name]} here, ${theirs[name]} there`).join('; ')}: ${text}`);
	}
}

let tests = 0;

function test(name, ok, ...details)
{
	console.log(`${ok ? 'ok' : 'not ok'} ${++tests} - ${name}`);
	for (const detail of details)
		console.log(`# ${detail}`);
}

const words = (reasons) => Object.entries(reasons).map(([reason, count]) => `${count}: ${reason}`);

await ldk.initializeWasmFromBinary(readFileSync(new URL('./node_modules/lightningdevkit/liblightningjs.wasm', import.meta.url)));

const lines = readFileSync(0, 'utf8').split('\n').filter((line) => line !== '');

lines.forEach(judge);
test(`L79 ${lines.length} invoices were compared, seed ${process.argv[2]}`, lines.length >= 1000, `${counts.read} read by both, ${counts.refused} refused by both`);
test('L79 what spark writes is read elsewhere', wrong.good.length === 0, ...wrong.good.slice(0, 5));
test('L79 both read and refuse the same, but where spark is known to be stricter or milder', wrong.verdict.length === 0,
	...wrong.verdict.slice(0, 5), ...words(counts.stricter).map((text) => `stricter: ${text}`), ...words(counts.lenient).map((text) => `milder: ${text}`));
test('L79 both read the same in them', wrong.content.length === 0 && counts.read >= lines.length / 4, ...wrong.content.slice(0, 5));
test('L79 neither reads nor refuses all', counts.refused >= lines.length / 4);
console.log(`1..${tests}`);
process.exit(wrong.good.length + wrong.verdict.length + wrong.content.length === 0 ? 0 : 1);
