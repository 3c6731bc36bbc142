// Verifies an App's JWT with Node's crypto. In: {"jwt", "public_pem"}. Out: its header and claims.
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const { jwt, public_pem } = JSON.parse(readFileSync(0, "utf8"));
const [header, claims, signature] = jwt.split(".");
const signed = Buffer.from(`${header}.${claims}`);
const key = createPublicKey(public_pem);
if (!verify("RSA-SHA256", signed, key, Buffer.from(signature, "base64url"))) {
  throw new Error("the signature is wrong");
}
const json = (part) => JSON.parse(Buffer.from(part, "base64url"));
console.log(JSON.stringify({ header: json(header), claims: json(claims) }));
