import { expect, it } from "vitest";
import { withoutUser } from "../../../cli/store/without-user.ts";

it.each([
  ["http://127.0.0.1:2379", "http://127.0.0.1:2379"],
  ["http://ana:secret@127.0.0.1:2379", "http://127.0.0.1:2379"],
  ["https://ana:s@cr/et@[::1]:2379/", "https://[::1]:2379/"],
  [
    "http://ana:sec,ret@10.0.0.5:1,http://10.0.0.6:1,http://ana:secret@10.0.0.7:1",
    "http://10.0.0.5:1,http://10.0.0.6:1,http://10.0.0.7:1",
  ],
  ["ana:secret@127.0.0.1:2379", "127.0.0.1:2379"],
  [
    "no router answers (http://ana:secret@[::1]:1: ECONNREFUSED): name it",
    "no router answers (http://[::1]:1: ECONNREFUSED): name it",
  ],
  ["resolution failed for target dns:ana:secret@etcd:1", "resolution failed for target etcd:1"],
])("%s is printed as %s", (text, printed) => expect(withoutUser(text)).toBe(printed));
