// Compiles GrauntLedger.sol into GrauntLedger.json (ABI and bytecode), the same bytes on every
// machine. With --check it writes nothing, and fails if the file checked in is another.
//
//   npm install --no-save --ignore-scripts && node build.mjs --check

import { readFileSync, writeFileSync } from "node:fs";
import solc from "solc";

const NAME = "GrauntLedger";
const here = (name) => new URL(name, import.meta.url);
const pinned = JSON.parse(readFileSync(here("package.json"), "utf8")).devDependencies.solc;
if (!solc.version().startsWith(`${pinned}+`)) {
  fail(`solc ${solc.version()} is installed where package.json pins ${pinned}`);
}

const input = {
  language: "Solidity",
  sources: { [`${NAME}.sol`]: { content: readFileSync(here(`${NAME}.sol`), "utf8") } },
  settings: {
    // Newer targets use opcodes that Besu and Quorum networks of today may lack.
    evmVersion: "london",
    viaIR: true,
    // Calls are many and deployments are few.
    optimizer: { enabled: true, runs: 100_000 },
    // Without a hash of the source's path and comments in it, the bytecode is reproducible.
    metadata: { bytecodeHash: "none" },
    outputSelection: {
      "*": { [NAME]: ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] },
    },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
const messages = output.errors ?? [];
messages.forEach((message) => console.error(message.formattedMessage));
// A warning is an error here, too.
if (messages.length > 0) fail("the compiler is not content");

const { abi, evm } = output.contracts[`${NAME}.sol`][NAME];
const artifact = {
  abi,
  bytecode: `0x${evm.bytecode.object}`,
  deployedBytecode: `0x${evm.deployedBytecode.object}`,
};
const made = `${JSON.stringify(artifact, null, 1)}\n`;
if (process.argv.includes("--check")) {
  if (readFileSync(here(`${NAME}.json`), "utf8") !== made) {
    fail(`${NAME}.json is not what ${NAME}.sol compiles to: run node build.mjs`);
  }
  console.log(`${NAME}.json is what ${NAME}.sol compiles to, by solc ${solc.version()}`);
} else {
  writeFileSync(here(`${NAME}.json`), made);
  console.log(`${evm.bytecode.object.length / 2} bytes by solc ${solc.version()}`);
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
