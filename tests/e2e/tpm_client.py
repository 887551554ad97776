"""A TPM's commands, written byte by byte, for what tests do to a TPM themselves (TCG TPM 2.0 Library, part 3)."""
import hashlib
import socket
import struct

NO_SESSIONS, SESSIONS = 0x8001, 0x8002
OWNER, ENDORSEMENT, PASSWORD = 0x40000001, 0x4000000B, 0x40000009
OWNER_READ_WRITE = 1 << 1 | 1 << 17  # TPMA_NV_OWNERWRITE, TPMA_NV_OWNERREAD
AK, BLOB, USER_DATA = 0x81000003, 0x01400001, 0x01400002
BLOB_LEN = 2048  # as paravisors of 2023 have it; swtpm makes none longer


def sized(data):
    return struct.pack(">H", len(data)) + data


class TpmError(Exception):
    def __init__(self, command, code):
        super().__init__(f"command {command:#x}: {code:#x}")
        self.code = code


class Tpm:
    """a connection to a TPM on a Unix socket"""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(str(path))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the TPM left")
            data += more
        return data

    def command(self, code, handles=(), parameters=b"", auths=0):
        """what follows an answer's header"""
        area = b"".join([struct.pack(">IHBH", PASSWORD, 0, 0, 0)] * auths)
        body = b"".join(struct.pack(">I", h) for h in handles)
        body += struct.pack(">I", len(area)) + area if auths else b""
        body += parameters
        self.socket.sendall(struct.pack(">HII", SESSIONS if auths else NO_SESSIONS, 10 + len(body), code) + body)
        header = self.exactly(10)
        _, length, status = struct.unpack(">HII", header)
        rest = self.exactly(length - 10)
        if status:
            raise TpmError(code, status)
        return rest

    def make_ak(self):
        """a restricted RSA key that signs, as a paravisor makes it, and made persistent"""
        attributes = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 10 | 1 << 16 | 1 << 18
        template = struct.pack(">HHIHHHHHIH", 0x0001, 0x000B, attributes, 0, 0x0010, 0x0014, 0x000B, 2048, 0, 0)
        made = self.command(0x131, [ENDORSEMENT], sized(sized(b"") + sized(b"")) + sized(template) + sized(b"")
                            + struct.pack(">I", 0), auths=1)
        handle, = struct.unpack(">I", made[:4])
        self.command(0x120, [OWNER, handle], struct.pack(">I", AK), auths=1)
        self.command(0x165, [], struct.pack(">I", handle))

    def drop_ak(self):
        self.command(0x120, [OWNER, AK], struct.pack(">I", AK), auths=1)

    def define(self, index, length):
        public = struct.pack(">IHIHH", index, 0x000B, OWNER_READ_WRITE, 0, length)
        self.command(0x12A, [OWNER], sized(b"") + sized(public), auths=1)

    def undefine(self, index):
        self.command(0x122, [OWNER, index], auths=1)

    def length_of(self, index):
        answer = self.command(0x169, [index])
        return struct.unpack(">H", answer[14:16])[0]

    def extend(self, pcr, text):
        self.command(0x182, [pcr], struct.pack(">IH", 1, 0x000B) + hashlib.sha256(text).digest(), auths=1)

    def pcr(self, number):
        mask = (1 << number).to_bytes(3, "little")
        answer = self.command(0x17E, [], struct.pack(">IHB", 1, 0x000B, 3) + mask)
        return answer[-32:]

    def prepare(self):
        self.make_ak()
        self.define(BLOB, BLOB_LEN)

    def handles(self, kind):
        """handles of a kind: 0x02 and 0x03 sessions, 0x80 transient objects"""
        answer = self.command(0x17A, [], struct.pack(">III", 1, kind << 24, 64))
        count, = struct.unpack(">I", answer[5:9])
        return struct.unpack(f">{count}I", answer[9:9 + 4 * count])
