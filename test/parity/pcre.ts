// Regular expressions as nginx has them, for the Lua side of the parity tests: PCRE, through LuaJIT's foreign functions.
// Two libraries are asked, because ngx_lua has PCRE up to 0.10.25 and PCRE2 after that. They must agree.

type Foreign = (this: void, ...args: readonly unknown[]) => unknown;
type Library = Readonly<Record<string, Foreign>>;
/** Places of memory, the first of them 0: not an array to TypeScriptToLua. */
type Cells = Readonly<Record<number, unknown>>;

declare const _G: {
  require(this: void, module: string): unknown;
  error(this: void, message: string): never;
};

const ffi = _G.require("ffi") as {
  cdef(this: void, declarations: string): void;
  load(this: void, library: string): Library;
  readonly new: (this: void, type: string) => Cells;
};

ffi.cdef(`
  void *pcre_compile(const char *regex, int options, const char **why, int *at, const char *tables);
  int pcre_exec(void *code, void *extra, const char *text, int length, int start, int options, int *vector, int size);
  void *pcre2_compile_8(const char *regex, size_t length, uint32_t options, int *why, size_t *at, void *context);
  void *pcre2_match_data_create_8(uint32_t size, void *context);
  int pcre2_match_8(void *code, const char *text, size_t length, size_t start, uint32_t options, void *data, void *context);
`);

/** What it takes to match a regular expression: NULL, which is nil to Lua, where the library refuses it. */
interface Matcher {
  readonly code: unknown;
  readonly match: (this: void, text: string) => unknown;
}

function ofPcre(library: Library, regex: string): Matcher {
  const code = library["pcre_compile"]!(regex, 0, ffi.new("const char *[1]"), ffi.new("int[1]"), undefined);
  const vector = ffi.new("int[30]");
  return { code, match: (text) => library["pcre_exec"]!(code, undefined, text, text.length, 0, 0, vector, 30) };
}

function ofPcre2(library: Library, regex: string): Matcher {
  const code = library["pcre2_compile_8"]!(regex, regex.length, 0, ffi.new("int[1]"), ffi.new("size_t[1]"), undefined);
  const data = library["pcre2_match_data_create_8"]!(10, undefined);
  return { code, match: (text) => library["pcre2_match_8"]!(code, text, text.length, 0, 0, data, undefined) };
}

const compilers: ((this: void, regex: string) => Matcher)[] = [];

function addLibrary(name: string, compile: (this: void, library: Library, regex: string) => Matcher): void {
  try {
    const library = ffi.load(name);
    compilers.push((regex) => compile(library, regex));
  } catch {
    // Either is enough: which one is there depends on the machine.
  }
}

addLibrary("libpcre.so.3", (library, regex) => ofPcre(library, regex));
addLibrary("libpcre2-8.so.0", (library, regex) => ofPcre2(library, regex));

const known: Record<string, Matcher[]> = {};

/** Whether a text matches, as both libraries say; an error where one refuses the regular expression. */
export function matchesInPcre(this: void, text: string, regex: string): boolean {
  if (compilers.length === 0) _G.error("neither libpcre.so.3 nor libpcre2-8.so.0 is here");
  let matchers = known[regex];
  if (matchers === undefined) {
    matchers = compilers.map((compile) => compile(regex));
    known[regex] = matchers;
  }
  let votes = 0;
  for (const { code, match } of matchers) {
    if (code === undefined) _G.error(`PCRE refuses ${regex}`);
    const result = match(text) as number;
    // -1 says that nothing matches; less is an error, such as a limit that was reached.
    if (result < -1) _G.error(`PCRE gives up on ${regex} with ${result}`);
    if (result >= 0) votes++;
  }
  if (votes !== 0 && votes !== matchers.length) _G.error(`PCRE and PCRE2 differ on ${regex}`);
  return votes > 0;
}
