import { Etcd3 } from "etcd3";
import { EXIT, RoutectlError } from "../errors.ts";
import { clientOptions, type StoreOptions, translateError } from "./etcd.ts";
import { withoutUser } from "./without-user.ts";

/** A member of the etcd cluster, as it answers for itself. */
export interface Member {
  /** Null for an address that was asked and is no member that the cluster knows of. */
  readonly name: string | null;
  readonly url: string;
  /** It answers a read that its cluster has a quorum for, as `etcdctl endpoint health` asks. */
  readonly healthy: boolean;
  readonly leader: boolean;
  readonly version: string | null;
  readonly error?: string;
}

interface Answer extends Omit<Member, "name"> {
  readonly id: string | undefined;
}

interface ListedMember {
  readonly ID: string;
  readonly name: string;
  readonly clientURLs: readonly string[];
  readonly peerURLs: readonly string[];
}

/** A key that need not be there. */
const HEALTH_KEY = "health";

/**
 * Asks every member for itself, at the addresses that were given and at those that the cluster names.
 * @returns one line a member, in the order of their names, then the given addresses that belong to none of them; where
 * nobody tells who the members are, only those that answer for themselves
 */
export async function readMembers(options: StoreOptions): Promise<Member[]> {
  const given = options.urls.split(",");
  const clients = new Map<string, Etcd3>();
  const answers = new Map<string, Promise<Answer>>();
  const ask = (url: string): void => {
    if (answers.has(url)) return;
    const client = new Etcd3(clientOptions({ ...options, urls: url }));
    clients.set(url, client);
    answers.set(url, askMember(client, url));
  };
  try {
    given.forEach(ask);
    const listed = await Promise.any([...clients.values()].map(listMembers)).catch(() => []);
    for (const { clientURLs } of listed) clientURLs.forEach(ask);
    return linesOf(given, listed, await Promise.all(answers.values()));
  } finally {
    for (const client of clients.values()) client.close();
  }
}

async function listMembers(client: Etcd3): Promise<readonly ListedMember[]> {
  return (await client.cluster.memberList({})).members;
}

async function askMember(client: Etcd3, url: string): Promise<Answer> {
  const [status, read] = await Promise.allSettled([client.maintenance.status(), readKey(client, url)]);
  const known = status.status === "fulfilled" ? status.value : undefined;
  const id = known?.header.member_id;
  const about = { id, url, leader: id !== undefined && known?.leader === id, version: known?.version ?? null };
  const failed = [status, read].find((result) => result.status === "rejected");
  if (failed === undefined) return { ...about, healthy: true };
  return { ...about, healthy: false, error: translateError(failed.reason, url).message };
}

async function readKey(client: Etcd3, url: string): Promise<void> {
  try {
    await client.get(HEALTH_KEY).exec();
  } catch (error) {
    // Who refuses a user has asked its cluster.
    const translated = translateError(error, url);
    if (!(translated instanceof RoutectlError && translated.exitCode === EXIT.notAuthorised)) throw error;
  }
}

function linesOf(given: readonly string[], listed: readonly ListedMember[], answers: readonly Answer[]): Member[] {
  if (listed.length === 0) return answers.filter(({ id }) => id !== undefined).map((answer) => lineOf(null, answer));
  const members = listed.map(({ ID, name, clientURLs, peerURLs }): Member => {
    const answer = answers.find(({ id }) => id === ID) ?? answers.find(({ url }) => clientURLs.includes(url));
    if (answer !== undefined) return lineOf(name, answer);
    const url = peerURLs.join(",");
    return { name, url, healthy: false, leader: false, version: null, error: "it has never been started" };
  });
  members.sort((a, b) => (`${a.name}` < `${b.name}` ? -1 : 1));
  const ids = new Set(listed.map(({ ID }) => ID));
  const known = new Set(listed.flatMap(({ clientURLs }) => clientURLs));
  const others = answers.filter(
    ({ id, url }) => given.includes(url) && !known.has(url) && (id === undefined || !ids.has(id)),
  );
  return [...members, ...others.map((answer) => lineOf(null, answer))];
}

function lineOf(name: string | null, { id: _, ...answer }: Answer): Member {
  return { name, ...answer, url: withoutUser(answer.url) };
}
