// Builds the dashboard's pages into src/windlass/web/assets/, from where they go into the wheel.
//
//     node build.mjs           once, minified
//     node build.mjs --watch   again after every change, readable
import { copyFile, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, context } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.env.WINDLASS_ASSETS ?? join(here, "..", "src", "windlass", "web", "assets");
const watch = process.argv.includes("--watch");

const options = {
  absWorkingDir: here,
  entryPoints: [
    { in: "src/main.tsx", out: "app" },
    { in: "src/style/index.css", out: "app" },
    { in: "src/theme-first.ts", out: "theme" },
  ],
  outdir: target,
  bundle: true,
  format: "esm",
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: !watch,
  sourcemap: watch ? "linked" : false,
  legalComments: "none",
  charset: "utf8",
  logLevel: "warning",
};

if (!watch) await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
for (const name of ["index.html", "icon.svg"]) await copyFile(join(here, "src", name), join(target, name));
if (watch) {
  await (await context(options)).watch();
  console.log(`watching; writes ${target}`);
} else {
  await build(options);
}
