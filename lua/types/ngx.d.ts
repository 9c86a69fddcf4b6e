/** What the router uses of ngx_lua and lua-resty-core. https://github.com/openresty/lua-nginx-module */

/** @noSelf */
interface Ngx {
  readonly ERR: number;
  readonly WARN: number;
  readonly NOTICE: number;
  readonly INFO: number;
  readonly shared: Record<string, SharedDict | undefined>;
  var: Record<string, string | undefined>;
  readonly ctx: object;
  readonly is_subrequest: boolean;
  readonly header: Record<string, string | readonly string[] | undefined>;
  readonly timer: NgxTimer;
  readonly worker: NgxWorker;
  readonly socket: NgxSocket;
  status: number;
  now(): number;
  log(level: number, ...text: string[]): void;
  say(text: string): void;
  print(text: string): void;
  exit(status: number): never;
  sleep(seconds: number): void;
  crc32_long(text: string): number;
  md5_bin(text: string): string;
  hmac_sha1(secret: string, text: string): string;
  encode_base64(text: string): string;
  unescape_uri(text: string): string;
  readonly req: NgxRequest;
  readonly re: NgxRegex;
}

/** @noSelf */
interface NgxRequest {
  get_method(): string;
}

/** @noSelf */
interface NgxRegex {
  /** Where a match begins and ends, from 1; nothing when there is none, with a reason when the pattern is broken. */
  find(text: string, regex: string, options: string): LuaMultiReturn<[number | undefined, number | undefined, string?]>;
}

/** @noSelf */
interface NgxTimer {
  at<A extends unknown[]>(
    delaySeconds: number,
    callback: (this: void, premature: boolean, ...rest: A) => void,
    ...rest: A
  ): LuaMultiReturn<[boolean, string?]>;
  every(
    intervalSeconds: number,
    callback: (this: void, premature: boolean) => void,
  ): LuaMultiReturn<[boolean, string?]>;
}

/** @noSelf */
interface NgxWorker {
  pid(): number;
  id(): number | undefined;
  count(): number;
  exiting(): boolean;
}

/** @noSelf */
interface NgxSocket {
  tcp(): TcpSocket;
}

interface TcpSocket {
  connect(host: string, port: number): LuaMultiReturn<[boolean | undefined, string?]>;
  settimeout(milliseconds: number): void;
  send(data: string): LuaMultiReturn<[number | undefined, string?]>;
  receiveany(most: number): LuaMultiReturn<[string | undefined, string?]>;
  setkeepalive(idleMilliseconds: number, poolSize: number): LuaMultiReturn<[boolean | undefined, string?]>;
  getreusedtimes(): number;
  close(): void;
}

interface SharedDict {
  get(key: string): unknown;
  set(key: string, value: string | number, expirySeconds?: number): LuaMultiReturn<[boolean, string?, boolean?]>;
  safe_set(key: string, value: string | number, expirySeconds?: number): LuaMultiReturn<[boolean, string?]>;
  add(key: string, value: string | number, expirySeconds?: number): LuaMultiReturn<[boolean, string?, boolean?]>;
  incr(
    key: string,
    by: number,
    initial?: number,
    initialExpirySeconds?: number,
  ): LuaMultiReturn<[number | undefined, string?]>;
  delete(key: string): void;
  free_space(): number;
  capacity(): number;
}

declare const ngx: Ngx;

/** @noResolution */
declare module "ngx.balancer" {
  export function set_current_peer(this: void, address: string, port: number): LuaMultiReturn<[boolean, string?]>;
  export function set_more_tries(this: void, count: number): LuaMultiReturn<[boolean, string?]>;
  /** In seconds. */
  export function set_timeouts(
    this: void,
    connect: number,
    send: number,
    read: number,
  ): LuaMultiReturn<[boolean, string?]>;
  export function get_last_failure(this: void): LuaMultiReturn<[string | undefined, number?]>;
}

/** @noResolution */
declare module "cjson.safe" {
  interface Cjson {
    encode(this: void, value: unknown): string;
    decode(this: void, text: string): LuaMultiReturn<[unknown, string?]>;
    decode_max_depth(this: void, depth: number): void;
    readonly null: object;
  }
  const cjson: { new: (this: void) => Cjson; readonly null: object };
  export = cjson;
}

/** lua-resty-core. @noResolution */
declare module "resty.core.base" {
  /** A pointer to nginx's structure of the request that is being handled. */
  export function get_request(this: void): object | undefined;
}

/** @noResolution */
declare module "ffi" {
  export function cast(this: void, type: string, value: object): object;
}
