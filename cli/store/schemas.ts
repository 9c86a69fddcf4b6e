import { z } from "zod";
import { isDnsName, isIpLiteral } from "../../lua/core/address.ts";
import { isName } from "../../lua/core/names.ts";
import { DEFAULT_BASE_WEIGHT, MAX_BASE_WEIGHT, MAX_PORT } from "../../lua/core/numbers.ts";
import { checkPolicy } from "../../lua/core/policy.ts";
import { checkMetadata, MAX_INTEGER } from "../../lua/core/snapshot-check.ts";
import { isText } from "../../lua/core/text.ts";
import type { Override, Policy } from "../../lua/core/types.ts";
import { formatPath, policyIssue } from "./policy-issue.ts";

export const NAME_RULE = "lower-case letters, digits, '.', '_' and '-', at most 64, a letter or digit at both ends";

const stringSchema = z.string({
  error: ({ input }) => (input === undefined || input === null ? "is missing" : "must be a text: put it in quotes"),
});

export const nameSchema = stringSchema.refine(isName, `must be a name: ${NAME_RULE}`);

export const addressSchema = stringSchema.refine(
  (value) => isIpLiteral(value) || isDnsName(value),
  "must be an IPv4 or IPv6 address or a DNS name",
);

export const weightSchema = z
  .number(`must be a whole number from 0 to ${MAX_BASE_WEIGHT}`)
  .refine(
    (value) => Number.isInteger(value) && value >= 0 && value <= MAX_BASE_WEIGHT,
    `must be a whole number from 0 to ${MAX_BASE_WEIGHT}`,
  );

export const portSchema = z
  .number(`must be a whole number from 1 to ${MAX_PORT}`)
  .refine(
    (value) => Number.isInteger(value) && value >= 1 && value <= MAX_PORT,
    `must be a whole number from 1 to ${MAX_PORT}`,
  );

/** By the very function that the router uses: a text that it refused would keep it from taking any list. */
const textSchema = stringSchema.refine(isText, "must be a text of at most 512 bytes");

/** Checked by the very function that the router uses; `null` prototypes keep `__proto__` an ordinary, refused, key. */
const metadataSchema = z
  .custom<Record<string, string>>((value) => typeof value === "object" && value !== null, "must be an object")
  .superRefine((value, context) => {
    const error = checkMetadata(value);
    if (error !== undefined) context.addIssue({ code: "custom", message: error });
  });

/** A registered instance, as it stands in etcd. */
export const instanceSchema = z.strictObject({
  id: nameSchema,
  name: textSchema.optional(),
  address: addressSchema,
  port: portSchema,
  weight: weightSchema.default(DEFAULT_BASE_WEIGHT),
  metadata: metadataSchema.default({}),
});

/** The same as somebody writes it. One that is in etcd already stays in force, with a status port that is none, too. */
export const writtenInstanceSchema = instanceSchema.extend({
  metadata: metadataSchema
    .superRefine(({ statusPort }, context) => {
      if (statusPort === undefined || isPortText(statusPort)) return;
      const message = `must be a whole number from 1 to ${MAX_PORT}, such as 9200`;
      context.addIssue({ code: "custom", message, path: ["statusPort"] });
    })
    .default({}),
});

function isPortText(text: unknown): boolean {
  return typeof text === "string" && /^[1-9]\d{0,4}$/.test(text) && Number(text) <= MAX_PORT;
}

export interface Instance {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly metadata: Readonly<Record<string, string>>;
}

export const policySchema = z
  .custom<Policy>((value) => typeof value === "object" && value !== null, "must be an object")
  .superRefine((value, context) => {
    const error = checkPolicy(value);
    if (error === undefined) return;
    const { path, message } = policyIssue(error);
    context.addIssue({ code: "custom", message, path: [...path] });
  });

/** Milliseconds since 1970, at most what a router takes. */
const timeSchema = z.number().int().min(0).max(MAX_INTEGER);

const manualWeightSchema = z.strictObject({
  weight: weightSchema,
  by: textSchema,
  reason: textSchema,
  at: timeSchema,
  expiresAt: timeSchema.optional(),
});

/** `before` is the manual weight that a drain stands over: it is there for `restore`, and goes to no router. */
export const overrideSchema = manualWeightSchema.extend({ before: manualWeightSchema.optional() });

/** Who did what to a service, when and why. */
export const historySchema = z.object({
  at: timeSchema,
  by: z.string(),
  action: z.string(),
  detail: z.string(),
  reason: z.string(),
});

export type HistoryEntry = z.infer<typeof historySchema>;

/** An instance from a value of any origin; the reason when it is not one. */
export function parseInstance(value: unknown, schema = instanceSchema): { instance: Instance } | { error: string } {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return { error: describeIssue(parsed.error) };
  const { name, ...rest } = parsed.data;
  return { instance: { ...rest, name: name ?? rest.id } };
}

export function parsePolicy(value: unknown): { policy: Policy } | { error: string } {
  const parsed = policySchema.safeParse(value);
  return parsed.success ? { policy: parsed.data } : { error: describeIssue(parsed.error) };
}

export function parseOverride(
  value: unknown,
): { override: Override; before: Override | undefined } | { error: string } {
  const parsed = overrideSchema.safeParse(value);
  if (!parsed.success) return { error: describeIssue(parsed.error) };
  const { before, ...override } = parsed.data;
  return { override: toOverride(override), before: before === undefined ? undefined : toOverride(before) };
}

function toOverride({ expiresAt, ...rest }: z.infer<typeof manualWeightSchema>): Override {
  return expiresAt === undefined ? rest : { ...rest, expiresAt };
}

/** The first thing that is wrong, as `field: what it must be`. */
export function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0]!;
  const path = formatPath(issue.path);
  if (issue.code === "unrecognized_keys")
    return `unknown key ${issue.keys.map((key) => JSON.stringify(key)).join(", ")}`;
  return path === "" ? issue.message : `${path}: ${issue.message}`;
}
