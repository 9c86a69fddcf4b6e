import * as grpc from "@grpc/grpc-js";

/** The methods of a gRPC service without a .proto file: its messages are bytes. */
const bytes = (message: Buffer): Buffer => message;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/echo.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
const DEFINITION = {
  Unary: method("Unary", false, false),
  ServerStream: method("ServerStream", false, true),
  ClientStream: method("ClientStream", true, false),
  Bidi: method("Bidi", true, true),
};

type Unary = grpc.ServerUnaryCall<Buffer, Buffer>;
export type ServerStream = grpc.ServerWritableStream<Buffer, Buffer>;
type ClientStream = grpc.ServerReadableStream<Buffer, Buffer>;
export type Bidi = grpc.ServerDuplexStream<Buffer, Buffer>;

/** What a server of the echo service does; what is not given echoes. */
export interface EchoMethods {
  unary?(call: Unary, answer: grpc.sendUnaryData<Buffer>): void;
  serverStream?(call: ServerStream): void;
  clientStream?(call: ClientStream, answer: grpc.sendUnaryData<Buffer>): void;
  bidi?(call: Bidi): void;
}

export interface EchoServer {
  readonly port: number;
  kill(): void;
}

export async function startEchoServer(methods: EchoMethods = {}): Promise<EchoServer> {
  const server = new grpc.Server();
  server.addService(DEFINITION, {
    Unary: methods.unary ?? ((call: Unary, answer: grpc.sendUnaryData<Buffer>) => answer(null, call.request)),
    ServerStream: methods.serverStream ?? ((call: ServerStream) => call.end(call.request)),
    ClientStream: methods.clientStream ?? countMessages,
    Bidi:
      methods.bidi ??
      ((call: Bidi) => void call.on("data", (message) => call.write(message)).on("end", () => call.end())),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { port, kill: () => server.forceShutdown() };
}

/** `MESSAGES BYTES` */
function countMessages(call: ClientStream, answer: grpc.sendUnaryData<Buffer>): void {
  let [messages, size] = [0, 0];
  call.on("data", (message: Buffer) => {
    messages++;
    size += message.length;
  });
  call.on("end", () => answer(null, Buffer.from(`${messages} ${size}`)));
}

/** What became of a call, as the client has seen it. */
export interface Outcome {
  readonly messages: readonly Buffer[];
  readonly status: grpc.StatusObject;
  /** The metadata that came before the first message. */
  readonly metadata: grpc.Metadata | undefined;
}

export interface EchoClient {
  unary(message: Buffer, options?: CallOptions): Promise<Outcome>;
  serverStream(message: Buffer, options?: CallOptions): grpc.ClientReadableStream<Buffer>;
  /** The call, and what becomes of it. */
  clientStream(options?: CallOptions): { call: grpc.ClientWritableStream<Buffer>; outcome: Promise<Outcome> };
  bidi(options?: CallOptions): grpc.ClientDuplexStream<Buffer, Buffer>;
  close(): void;
}

export interface CallOptions extends grpc.CallOptions {
  readonly metadata?: grpc.Metadata;
  /** Another method than the one that is meant. */
  readonly path?: string;
}

export function connectEcho(address: string): EchoClient {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    // Each client has a connection of its own, and shows what becomes of a call at once.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
  });
  const { Unary, ServerStream, ClientStream, Bidi } = DEFINITION;
  const metadataOf = ({ metadata }: CallOptions): grpc.Metadata => metadata ?? new grpc.Metadata();
  return {
    unary: (message, options = {}) => {
      let answered: Buffer | undefined;
      const call = client.makeUnaryRequest(
        options.path ?? Unary.path,
        bytes,
        bytes,
        message,
        metadataOf(options),
        options,
        (_, answer) => {
          answered = answer;
        },
      );
      return outcomeOf(call, () => (answered === undefined ? [] : [answered]));
    },
    serverStream: (message, options = {}) =>
      client.makeServerStreamRequest(ServerStream.path, bytes, bytes, message, metadataOf(options), options),
    clientStream: (options = {}) => {
      let answered: Buffer | undefined;
      const call = client.makeClientStreamRequest(
        ClientStream.path,
        bytes,
        bytes,
        metadataOf(options),
        options,
        (_, answer) => {
          answered = answer;
        },
      );
      return { call, outcome: outcomeOf(call, () => (answered === undefined ? [] : [answered])) };
    },
    bidi: (options = {}) =>
      client.makeBidiStreamRequest(options.path ?? Bidi.path, bytes, bytes, metadataOf(options), options),
    close: () => client.close(),
  };
}

/** Reads a stream to its end. */
export async function readAll(
  call: grpc.ClientReadableStream<Buffer> | grpc.ClientDuplexStream<Buffer, Buffer>,
): Promise<Outcome> {
  const messages: Buffer[] = [];
  call.on("data", (message: Buffer) => messages.push(message));
  call.on("error", () => undefined);
  return outcomeOf(call, () => messages);
}

async function outcomeOf(call: grpc.ClientUnaryCall, messages: () => readonly Buffer[]): Promise<Outcome> {
  let metadata: grpc.Metadata | undefined;
  call.on("metadata", (received: grpc.Metadata) => {
    metadata = received;
  });
  const status = await new Promise<grpc.StatusObject>((resolve) => call.on("status", resolve));
  // A single answer is handed over together with the status.
  await new Promise((resolve) => setImmediate(resolve));
  return { messages: messages(), status, metadata };
}
