// npm run bench:peers: Thalweg beside TensorFlow.js and jax-js. Each measurement is a process of its own, and the libraries take
// turns, in an order that rotates from round to round. Results go to standard output, what happens meanwhile to standard error.
import { cpus } from 'node:os';
import { CASES, contendersOf, nameOf, packagesOf, stepsPerBlock, unitOf } from './cases.mjs';
import { ask, Interrupted, listenForInterrupt } from './child.mjs';
import { isBuilt } from './dist.mjs';
import { linesOf, number, summarize, unableOf } from './figures.mjs';
import { EXIT, HELP, readOptions, UsageError } from './options.mjs';
import { batchesOf, examplesOf, weightsOf } from './problem.mjs';
import { agreementOf, lossesInDoubles } from './reference.mjs';
import { versionOf, versions } from './versions.mjs';

const INSTALL = 'npm ci --prefix bench/peers';

/** @type {import('./thalweg.mjs').Adapter} */
const NULL = { name: 'Null backend', driver: 'none', software: true, computes: false };
const CPU = { name: 'CPU', driver: 'none', software: true, computes: true };

/**
 * @typedef {object} Session
 * @property {import('./options.mjs').Settings} settings
 * @property {import('./thalweg.mjs').Adapter} adapter that of the cases, or the CPU
 * @property {boolean} failed whether a measurement failed
 */

/** @param {string[]} args @returns {Promise<number>} the exit code */
async function main(args) {
  const settings = readOptions(args);
  if (settings.help) {
    console.log(HELP);
    return EXIT.done;
  }
  if (!isBuilt()) throw new Error('there is no dist/ to measure. Run: npm run build');
  if (settings.data !== undefined) await checkData(settings);
  listenForInterrupt(EXIT.interrupted);
  const adapter = settings.device === 'cpu' ? CPU : await ask({ kind: 'adapter', adapter: settings.adapter });
  const session = { settings, adapter, failed: false };
  printHeader(session);
  sayWhatIsMissing(settings);
  for (const name of settings.cases) {
    const complete = await measureCase(session, name);
    if (!complete) return EXIT.interrupted;
  }
  return session.failed ? EXIT.failed : EXIT.done;
}

function say(/** @type {string} */ line) {
  console.error(`bench:peers: ${line}`);
}

/** Reads the folder before anything takes its time. @param {import('./options.mjs').Settings} settings */
async function checkData({ cases, data }) {
  const sizes = cases.map((name) => trainingOf(name)?.B ?? 1);
  await examplesOf(Math.max(...sizes), data);
}

/** The network of a case that has one. @param {string} name @returns {import('./cases.mjs').Training | undefined} */
function trainingOf(name) {
  const kase = CASES[name];
  if (kase?.kind === 'host') return trainingOf(kase.of);
  return kase?.kind === 'training' ? kase : undefined;
}

/** @param {Session} session */
function printHeader({ settings, adapter }) {
  const { json, rounds, seconds, device } = settings;
  const { name, driver, software, computes } = adapter;
  const machine = `${process.platform} ${process.arch}, ${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}`;
  const data = settings.data ?? 'digits made here';
  if (json) {
    const about = { versions: versions(), device, adapter: name, driver, software, machine, data, rounds, seconds };
    console.log(JSON.stringify({ type: 'run', suite: 'peers', ...about }));
    return;
  }
  console.log(
    Object.entries(versions())
      .flat()
      .join(' ')
      .replaceAll(/(?<=\d) (?=\D)/g, ', '),
  );
  console.log(`adapter: ${name}${software ? ', software' : ''}${driver === 'none' ? '' : ` (${driver})`}; ${machine}`);
  console.log(`data: ${data}; ${rounds} round${rounds === 1 ? '' : 's'} of at least ${seconds} s for each library`);
  if (!computes) console.log('This backend computes nothing: host costs alone, and no losses that could be checked.');
}

/** @param {import('./options.mjs').Settings} settings */
function sayWhatIsMissing({ cases, device }) {
  const all = new Set(cases.flatMap((name) => contendersOf(CASES[name], device)));
  for (const contender of all) {
    const missing = missingOf(contender);
    if (missing.length > 0)
      say(`${nameOf(contender)} is left out: ${missing.join(', ')} is not installed. Run: ${INSTALL}`);
  }
}

/** @param {import('./cases.mjs').Contender} contender */
function missingOf(contender) {
  return packagesOf(contender).filter((name) => versionOf(name) === undefined);
}

/** Measures a case in all its rounds and prints it; false where Ctrl-C came, when what there is has been printed. */
async function measureCase(/** @type {Session} */ session, /** @type {string} */ name) {
  const { rounds, device } = session.settings;
  const contenders = contendersOf(CASES[name], device).filter((contender) => missingOf(contender).length === 0);
  const [answers, unable] = [[], []];
  let job;
  try {
    job = await jobOf(session, name);
    for (let round = 0; round < rounds; round++)
      await measureRound(session, { name, job, contenders, answers, unable }, round);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    if (job && answers.length > 0) printCase(session, { name, job, answers, unable });
    say('interrupted: these are the rounds that were done');
    return false;
  }
  printCase(session, { name, job, answers, unable });
  return true;
}

/** One turn of each contender. One that fails, or cannot run the case, is said, and left out from then on. */
async function measureRound(session, { name, job, contenders, answers, unable }, round) {
  const turns = contenders.map((_, k) => contenders[(k + round) % contenders.length]);
  for (const contender of turns) {
    try {
      const steps = job.kase.shortBlocks?.[nameOf(contender)] ?? job.steps;
      const answer = await ask({ kind: 'measure', job: { ...job, contender, steps } });
      say(`${name}, round ${round + 1}: ${nameOf(contender)} ${number(answer.value)} ${unitOf(job.kase)}`);
      answers.push({ ...contender, round, ...answer });
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      contenders.splice(contenders.indexOf(contender), 1);
      const { name: type, message } = /** @type {Error} */ (error);
      if (type === 'Unable') unable.push({ ...contender, reason: message });
      else session.failed = true;
      say(`${name}: ${nameOf(contender)} ${type === 'Unable' ? 'cannot run it' : 'is not timed'}: ${message}`);
    }
  }
}

/** What every contender of a case is given. */
async function jobOf({ settings, adapter: chosen }, name) {
  const { seconds, data, device } = settings;
  const kase = { ...trainingOf(name), ...CASES[name] };
  const adapter = kase.kind === 'host' ? NULL : chosen;
  const job = { kase, adapter: device === 'cpu' ? undefined : adapter, data, steps: stepsPerBlock(adapter), seconds };
  if (kase.kind !== 'training' || !adapter.computes) return job;
  const batches = batchesOf(await examplesOf(kase.B, data), kase.B);
  return { ...job, losses: lossesInDoubles(kase, batches, weightsOf(kase)) };
}

function printCase({ settings, adapter: chosen }, { name, job, answers, unable }) {
  const { name: adapter, software } = job.adapter ?? chosen;
  const about = { name, unit: unitOf(job.kase), adapter, software };
  const figures = job.kase.kind === 'host' ? hostFigures(about, answers) : summarize(about, answers);
  const objects = [...figures, ...unableOf(about, unable)];
  if (settings.json) {
    for (const object of objects) console.log(JSON.stringify(object));
    return;
  }
  const lines = [agreementOf(job, answers), ...linesOf(objects)].filter((line) => line !== '');
  console.log([`\n${name}: ${job.kase.text}`, ...lines].join('\n'));
  if (answers.length === 0) console.log('  nothing was measured');
}

/** Two figures of one measurement: what the main thread is held up by, and what the whole process spends. */
function hostFigures(about, answers) {
  const [{ dispatches, submitted } = {}] = answers;
  const how = `in submit, wall time, ${submitted} steps of ${dispatches} dispatches a submit`;
  const whole = {
    ...about,
    name: 'host-process',
    how: 'processor time of the process, read-backs of the losses included',
  };
  const spent = answers.map((answer) => ({ ...answer, value: answer.process }));
  return [...summarize({ ...about, how }, answers), ...summarize(whole, spent)];
}

/** The exit code of what was thrown, whose message is said. @param {any} error */
function report(error) {
  if (error instanceof Interrupted) return EXIT.interrupted;
  const expected = ['UsageError', 'DeviceError', 'DataError', 'FileError', 'Error'].includes(error?.name);
  say(expected ? error.message : error?.stack);
  if (error instanceof UsageError) return EXIT.usage;
  return error?.name === 'DeviceError' ? EXIT.noDevice : EXIT.failed;
}

// A reader that went away (`| head`) ends the run.
process.stdout.on('error', () => process.exit(EXIT.done));
process.exitCode = await main(process.argv.slice(2)).catch(report);
