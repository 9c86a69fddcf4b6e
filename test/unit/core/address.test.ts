import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isDnsName, isIpLiteral, isIpv4, isIpv6 } from "../../../lua/core/address.ts";

const nearlyIpv4 = fc.oneof(
  fc.ipV4(),
  fc
    .array(fc.constantFrom("0", "00", "1", "01", "9", "99", "255", "256", "1000", "", "x"), { maxLength: 5 })
    .map((parts) => parts.join(".")),
);
const nearlyIpv6 = fc.oneof(
  fc.ipV6(),
  fc
    .array(fc.constantFrom("0", "1", "ffff", "0db8", "12345", "g", "", "", "1.2.3.4", "1.2.3.256"), { maxLength: 9 })
    .map((groups) => groups.join(":")),
  fc.string({ unit: fc.constantFrom(..."0aF:::."), maxLength: 24 }),
);

describe("addresses", () => {
  it("are IPv4 where Node says so", () => {
    fc.assert(
      fc.property(nearlyIpv4, (text) => {
        expect(isIpv4(text)).toBe(isIPv4(text));
      }),
      { numRuns: 3000 },
    );
  });

  it("are IPv6 where Node says so", () => {
    fc.assert(
      fc.property(nearlyIpv6, (text) => {
        expect(isIpv6(text)).toBe(isIPv6(text));
      }),
      { numRuns: 5000 },
    );
  });

  it("have no zone, which nginx cannot connect to", () => {
    expect(isIpLiteral("fe80::1%eth0")).toBe(false);
  });

  it("are a name or a literal, never both", () => {
    fc.assert(
      fc.property(fc.oneof(nearlyIpv4, nearlyIpv6, fc.domain()), (text) => {
        expect(isDnsName(text) && isIpLiteral(text)).toBe(false);
      }),
    );
  });

  it("may be any domain", () => {
    fc.assert(
      fc.property(fc.domain(), (domain) => {
        expect(isDnsName(domain)).toBe(true);
      }),
    );
  });

  it("are not mistyped: 10.0.0.300 is no name", () => {
    for (const mistyped of ["10.0.0.300", "10.0.0", "256.1.1.1", "1.2.3.4.5"]) {
      expect(isDnsName(mistyped)).toBe(false);
      expect(isIpLiteral(mistyped)).toBe(false);
    }
  });
});
