"""Work for Python's modules on talloc. python.py PART COUNT"""
import gc
import hashlib
import os
import sys

import talloc

# Before the first object: it could not be let go from there.
talloc.enable_null_tracking()

import ldb  # noqa: E402
import samba
from samba import param
from samba.dcerpc import dnsp, drsblobs, lsa, misc, netlogon, security, xattr
from samba.ndr import ndr_pack, ndr_print, ndr_unpack

digest = hashlib.sha256()
samples = 0


def say(*values):
    """Into the digest, and every thousandth to be seen."""
    global samples
    text = " ".join(str(v) for v in values)
    digest.update(text.encode() + b"\n")
    if samples % 1000 == 0:
        print(text[:2000])
    samples += 1


def descriptor(i):
    sd = security.descriptor.from_sddl(
        "O:BAG:SYD:PAI" + "".join("(A;CIOI;0x%x;;;S-1-5-21-1-2-3-%d)" % (0x1F0000 + n, n) for n in range(i % 20)),
        security.dom_sid("S-1-5-21-1-2-3"),
    )
    return sd


def ndr(count):
    """Objects parsed, changed, shared between parents, and packed."""
    kept = []
    for i in range(count):
        sd = descriptor(i)
        sd.owner_sid = security.dom_sid("S-1-5-21-9-8-7-%d" % i)
        packed = ndr_pack(sd)
        again = ndr_unpack(security.descriptor, packed)
        say(i, packed.hex(), again.as_sddl(), talloc.total_blocks(again))
        if again.dacl and again.dacl.aces:
            # A part that lives on in its parent's chunk after the parent's object went.
            aces = again.dacl.aces
            other = security.descriptor()
            acl = security.acl()
            acl.num_aces = len(aces)
            acl.aces = aces
            other.dacl = acl
            del again, aces
            say(other.as_sddl())
            kept.append(other)
        entry = dnsp.DnssrvRpcRecord()
        entry.wType = dnsp.DNS_TYPE_MX
        entry.data = dnsp.mx()
        entry.data.nameTarget = "mail%d.example.org" % i
        entry.data.wPriority = i % 100
        say(ndr_pack(entry).hex())
        blob = ndr_unpack(dnsp.DnssrvRpcRecord, ndr_pack(entry))
        say(ndr_print(blob))
        prefix = drsblobs.prefixMapBlob()
        meta = drsblobs.replPropertyMetaDataBlob()
        meta.version = 1
        meta.ctr.count = 5
        array = []
        for n in range(5):
            one = drsblobs.replPropertyMetaData1()
            one.attid = n * i
            one.version = n
            one.originating_invocation_id = misc.GUID("12345678-0000-0000-0000-%012d" % i)
            array.append(one)
        meta.ctr.array = array
        say(ndr_pack(meta).hex())
        say(ndr_print(ndr_unpack(drsblobs.replPropertyMetaDataBlob, ndr_pack(meta))))
        try:
            ndr_unpack(security.descriptor, packed[: i % len(packed)])
            say("parsed")
        except Exception as e:
            say(type(e).__name__, e)
        if i % 100 == 99:
            del kept[::2]
    say(len(kept), sum(talloc.total_blocks(k) for k in kept))


def database(count):
    """ldb with transactions, kept and given up."""
    db = ldb.Ldb("tdb://" + os.path.abspath("python.ldb"))
    db.add({"dn": "@INDEXLIST", "@IDXATTR": [b"cn", b"number"]})
    for batch in range(10):
        db.transaction_start()
        for i in range(count // 10 or 1):
            n = batch * count + i
            db.add({"dn": "cn=c%d,dc=test" % n, "cn": "c%d" % n, "number": str(n % 50), "text": "x" * (1 + n % 300)})
        if batch % 3 == 2:
            db.transaction_cancel()
        else:
            db.transaction_commit()
    for n in range(50):
        found = db.search("dc=test", ldb.SCOPE_SUBTREE, "(number=%d)" % n, ["cn", "text"])
        say(n, sorted((str(m.dn), str(m["cn"]), len(str(m.get("text", b"")))) for m in found))
    for m in db.search("dc=test", ldb.SCOPE_SUBTREE, "(number=7)"):
        m2 = ldb.Message(m.dn)
        m2["more"] = ldb.MessageElement([b"1", b"2"], ldb.FLAG_MOD_ADD, "more")
        db.modify(m2)
        say(sorted((k, sorted(map(str, m[k]))) for k in m.keys() if k != "dn"))
    say(db.search("dc=test", ldb.SCOPE_SUBTREE, "(more=2)").count)
    try:
        db.add({"dn": "cn=c0,dc=test", "cn": "c0"})
    except ldb.LdbError as e:
        say(e.args)
    try:
        db.search("dc=test", ldb.SCOPE_SUBTREE, "(((")
    except ldb.LdbError as e:
        say(e.args)
    dn = ldb.Dn(db, "cn=a,ou=b,dc=c")
    for n in range(count):
        dn = ldb.Dn(db, "cn=n%d,%s" % (n, dn.parent()))
        dn.add_child("ou=child%d" % n)
        say(dn, dn.canonical_str(), dn.is_child_of(ldb.Dn(db, "dc=c")))
        dn = dn.parent()
    ldif = "".join("dn: cn=l%d\ncn: l%d\nnote:: aGVsbG8=\n\n" % (n, n) for n in range(count))
    for change, message in db.parse_ldif(ldif):
        say(change, message.dn, message["note"][0], db.write_ldif(message, ldb.CHANGETYPE_NONE))


def tokens(count):
    """Accounts, rights and checks."""
    for i in range(count):
        token = security.token()
        token.num_sids = i % 10 + 1
        token.sids = [security.dom_sid("S-1-5-21-1-2-3-%d" % n) for n in range(token.num_sids)]
        token.set_privilege(security.SEC_PRIV_BACKUP)
        say(token.is_sid(token.sids[0]), token.has_privilege(security.SEC_PRIV_BACKUP), token.is_anonymous())
        try:
            say(samba.security.access_check(descriptor(i), token, 0x20000 + i % 3))
        except Exception as e:
            say(type(e).__name__, e)
        trust = lsa.ForestTrustInformation()
        trust.count = 3
        records = []
        for n in range(3):
            r = lsa.ForestTrustRecord()
            r.type = lsa.LSA_FOREST_TRUST_TOP_LEVEL_NAME
            r.forest_trust_data.string = "dom%d.example.org" % n
            records.append(r)
        trust.entries = records
        say(ndr_print(trust)[:500].count("\n"), ndr_pack(trust).hex())
        attributes = xattr.NTACL()
        attributes.version = 1
        attributes.info = descriptor(i)
        say(ndr_pack(attributes).hex())


def configuration(count):
    """Settings read and set."""
    lp = param.LoadParm()
    for i in range(count):
        lp.set("server string", "number %d" % i)
        lp.set("test:value", str(i))
        say(lp.get("server string"), lp.get("test:value"), lp.get("workgroup"), lp.private_path("x"))
    for name in ("interfaces", "netbios name", "realm", "server services", "dcerpc endpoint servers"):
        say(lp.get(name))


parts = {"ndr": ndr, "ldb": database, "security": tokens, "param": configuration}
part = parts[sys.argv[1]]
count = int(sys.argv[2])
# What is made once is made now.
part(min(count, 20))
gc.collect()
if os.path.exists("python.ldb"):
    os.unlink("python.ldb")
before = talloc.total_blocks(None)
part(count)
gc.collect()
print("kept: %d blocks, then %d" % (before, talloc.total_blocks(None)))
print(digest.hexdigest(), samples)
