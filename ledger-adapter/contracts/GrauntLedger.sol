// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Accounts, extracts, charges and releases, by the rules of `ledger-adapter/src/account`.
/// @notice Nothing is ever refunded. All that is stored is public: digests and integers only.
///
/// Words are packed, because a fresh word costs more than all else in a call together:
///
///   cost       billionths of rho 64 | units of 10^-18 of delta 64
///   accounts   spent 128 | cap 128, each a cost
///   queries    first 16 bytes of H(charge)   | first 127 bits of H(release), 0 before | redacted 1
///   extracts   first 24 bytes of H(account)  | last day 32 | standing 32
///
/// Halves of digests tell a repetition from a conflict. Who can find two charges of the same 16
/// bytes (2^64 tries, all of them his own) gains nothing: only the first is charged and logged.
contract GrauntLedger {
    /// What queries have in common: who pays, what is read, and on which day.
    struct Shape {
        uint32 day;
        bytes32[] accounts;
        bytes32[] inputs;
    }

    /// A query and the commitment to its intent.
    struct Query {
        bytes32 id;
        bytes32 intent;
    }

    /// An extract of an account, signed with a key.
    struct Extract {
        bytes32 root;
        bytes32 account;
        bytes32 key;
        uint32 expiresDay;
    }

    /// What a log was at its last anchor.
    struct Anchor {
        uint64 size;
        bytes32 root;
    }

    /// A rule that no balance would satisfy.
    enum Rule {
        Cap,
        Delta,
        NoItem,
        NoInput,
        NoCost,
        ItemTwice,
        InputTwice,
        Unopened,
        UnopenedExtract,
        Uncharged,
        Population,
        Costs,
        Redacted,
        Unredactable,
        RetiredKey,
        UnknownKey,
        UsedKey,
        Round,
        NoRoot,
        Uncommittable,
        Closed
    }

    /// What stands for something else already.
    enum Thing { Account, Query, Release, Extract, ActiveExtract, Anchor, Key, Set }

    /// Why an extract may not be read.
    enum Why { Expired, Revoked, Superseded, Unattested, OtherAccount }

    error Denied(address who, uint8 role);
    error Refused(Rule rule);
    error Conflict(Thing thing);
    error Inactive(bytes32 root, Why why);
    error Exhausted(bytes32 account, uint128 asked, uint128 left);
    error Behind(uint64 size);

    event Granted(address indexed who, uint8 roles);
    event Opened(bytes32 indexed account, uint128 cap);
    /// `balance` is the account's word after the charge, packed as above.
    event Charged(bytes32 indexed query, bytes32 indexed account, uint256 balance);
    /// An item of a batch was not charged; `reason` is the error that it alone would revert with.
    event Rejected(bytes32 indexed query, bytes reason);
    event Released(bytes32 indexed query, bytes32 commitment);
    event Attested(bytes32 indexed root, bytes32 indexed account, bytes32 key, uint32 expiresDay);
    event Superseded(bytes32 indexed old, bytes32 indexed root);
    event Revoked(bytes32 indexed root);
    event Redacted(bytes32 indexed query);
    event Committed(bytes32 indexed query, uint32 indexed round, bytes32 root);
    event Rotated(bytes32 indexed old, bytes32 indexed key, uint8 role);
    event Anchored(address indexed who, bytes32 indexed log, uint64 size, bytes32 root);

    uint8 public constant OWNER = 1;
    uint8 public constant STEWARD = 2;
    uint8 public constant ENGINE = 4;

    mapping(address => uint8) public roles;
    mapping(bytes32 => uint256) public accounts;
    mapping(bytes32 => uint256) public queries;
    /// The root of the one set of contributions that may be opened, by query and round.
    mapping(bytes32 => mapping(uint32 => bytes32)) public sets;
    mapping(bytes32 => uint256) public extracts;
    /// The key that signed an extract.
    mapping(bytes32 => bytes32) public keys;
    /// Who holds a key: the first key of its chain; 0 if it was never used.
    mapping(bytes32 => bytes32) public holders;
    /// The key that took a key's place.
    mapping(bytes32 => bytes32) public retired;
    /// H(old) of the extract that an extract replaced; 0 if it replaced none.
    mapping(bytes32 => bytes32) public predecessors;
    /// The one active extract of H(first 24 bytes of H(account), holder).
    mapping(bytes32 => bytes32) public active;
    mapping(address => mapping(bytes32 => Anchor)) public anchors;

    uint256 private constant ACTIVE = 1;
    uint256 private constant SUPERSEDED = 2;
    uint256 private constant REVOKED = 3;
    /// A delta of 1.
    uint64 private constant ONE = 1e18;
    uint256 private constant HALF = type(uint128).max;
    uint256 private constant REDACTED = 1;
    uint32 private constant ROUNDS = 256;

    constructor() {
        roles[msg.sender] = OWNER;
        emit Granted(msg.sender, OWNER);
    }

    modifier only(uint8 role) {
        if (roles[msg.sender] & role == 0) revert Denied(msg.sender, role);
        _;
    }

    /// The owner says who does what; with 0, takes it all back. He may name another owner.
    function grant(address who, uint8 given) external only(OWNER) {
        roles[who] = given;
        emit Granted(who, given);
    }

    /// Opens an account. The same opening again changes nothing.
    function open(bytes32 account, uint128 cap) external only(STEWARD) {
        if (cap == 0) revert Refused(Rule.Cap);
        if (uint64(cap) > ONE) revert Refused(Rule.Delta);
        uint256 word = accounts[account];
        if (word != 0) {
            if (word & HALF == cap) return;
            revert Conflict(Thing.Account);
        }
        accounts[account] = cap;
        emit Opened(account, cap);
    }

    /// Charges every account its cost, in the order of the accounts, or reverts.
    function charge(Shape calldata shape, Query calldata query, uint128[] calldata costs)
        external
        only(ENGINE)
    {
        if (costs.length != shape.accounts.length) revert Refused(Rule.Costs);
        bytes memory form = _checkForm(shape);
        bytes memory standing = _checkStanding(shape);
        uint256[] memory words = new uint256[](costs.length);
        bytes memory fault = _charge(shape, query, costs, form, standing, words);
        if (fault.length != 0) {
            assembly ("memory-safe") { revert(add(fault, 32), mload(fault)) }
        }
    }

    /// Charges each query that the rules allow, and logs why the others are not. The costs of the
    /// first query come first, as many as there are accounts; then those of the second.
    function chargeMany(Shape calldata shape, Query[] calldata queries_, uint128[] calldata costs)
        external
        only(ENGINE)
    {
        uint256 count = shape.accounts.length;
        if (costs.length != queries_.length * count) revert Refused(Rule.Costs);
        bytes memory form = _checkForm(shape);
        bytes memory standing = _checkStanding(shape);
        uint256[] memory words = new uint256[](count);
        unchecked {
            for (uint256 i = 0; i < queries_.length; ++i) {
                uint128[] calldata own = costs[i * count:(i + 1) * count];
                bytes memory fault = _charge(shape, queries_[i], own, form, standing, words);
                if (fault.length != 0) emit Rejected(queries_[i].id, fault);
            }
        }
    }

    /// Records a charged query's release, once.
    function release(bytes32 query, bytes32 commitment) external only(ENGINE) {
        uint256 word = queries[query];
        if (word == 0) revert Refused(Rule.Uncharged);
        uint256 half = uint256(keccak256(abi.encode(commitment))) >> 129 << 1;
        uint256 released = word & HALF & ~REDACTED;
        if (released != 0) {
            if (released == half) return;
            revert Conflict(Thing.Release);
        }
        if (word & REDACTED != 0) revert Refused(Rule.Redacted);
        queries[query] = word | half;
        emit Released(query, commitment);
    }

    /// Records that the documents of a query are destroyed. Its charge stays.
    function redact(bytes32 query) external only(ENGINE) {
        uint256 word = queries[query];
        if (word == 0) revert Refused(Rule.Unredactable);
        if (word & REDACTED != 0) return;
        queries[query] = word | REDACTED;
        emit Redacted(query);
    }

    /// Records the one set of contributions to a charged query that may be opened in a round.
    function commit(bytes32 query, uint32 round, bytes32 root) external only(ENGINE) {
        if (round >= ROUNDS) revert Refused(Rule.Round);
        if (root == 0) revert Refused(Rule.NoRoot);
        uint256 word = queries[query];
        if (word == 0) revert Refused(Rule.Uncommittable);
        bytes32 found = sets[query][round];
        if (found == root) return;
        if (found != 0) revert Conflict(Thing.Set);
        if (word & HALF != 0) revert Refused(Rule.Closed);
        sets[query][round] = root;
        emit Committed(query, round, root);
    }

    /// Puts an extract on the ledger.
    function attest(Extract calldata new_) external only(STEWARD) {
        if (_repeats(new_, 0)) return;
        bytes32 place = _place(_tag(new_.account), new_.key);
        if (active[place] != 0) revert Conflict(Thing.ActiveExtract);
        _add(new_, place);
    }

    /// Replaces an active extract by a new one of the same account and key.
    function supersede(bytes32 old, Extract calldata new_) external only(STEWARD) {
        bytes32 replaced = keccak256(abi.encode(old));
        if (_repeats(new_, replaced)) return;
        uint256 word = extracts[old];
        _requireActive(old, word);
        bytes32 place = _place(_tag(new_.account), new_.key);
        if (_place(word >> 64, keys[old]) != place) revert Refused(Rule.Population);
        extracts[old] = word - ACTIVE + SUPERSEDED;
        predecessors[new_.root] = replaced;
        _add(new_, place);
        emit Superseded(old, new_.root);
    }

    /// Withdraws an extract for good.
    function revoke(bytes32 root) external only(STEWARD) {
        uint256 word = extracts[root];
        if (uint32(word) == REVOKED) return;
        _requireActive(root, word);
        extracts[root] = word - ACTIVE + REVOKED;
        delete active[_place(word >> 64, keys[root])];
        emit Revoked(root);
    }

    /// A key takes the place of another, which attests nothing from now on.
    function rotate(uint8 role, bytes32 old, bytes32 key) external only(STEWARD) {
        bytes32 taken = retired[old];
        if (taken != 0) {
            if (taken == key) return;
            revert Conflict(Thing.Key);
        }
        if (holders[old] == 0) revert Refused(Rule.UnknownKey);
        if (holders[key] != 0) revert Refused(Rule.UsedKey);
        holders[key] = holders[old];
        retired[old] = key;
        emit Rotated(old, key, role);
    }

    /// The active extract of the same account and holder of keys as an extract; 0 if there is none.
    function successor(bytes32 root) external view returns (bytes32) {
        return active[_place(extracts[root] >> 64, keys[root])];
    }

    /// Remembers what a log of the sender is now; a log never goes back.
    function anchor(bytes32 log, uint64 size, bytes32 root) external {
        Anchor storage last = anchors[msg.sender][log];
        uint64 seen = last.size;
        if (size < seen) revert Behind(seen);
        if (size == seen && last.root != 0) {
            if (last.root == root) return;
            revert Conflict(Thing.Anchor);
        }
        last.size = size;
        last.root = root;
        emit Anchored(msg.sender, log, size, root);
    }

    /// Decides about a charge in the order of the rules and, if all hold, writes it. Otherwise
    /// nothing has changed, and the encoded error comes back. `form` and `standing` are what is
    /// wrong with the shape, if anything; `words` has room for a word per account.
    function _charge(
        Shape calldata shape,
        Query calldata query,
        uint128[] calldata costs,
        bytes memory form,
        bytes memory standing,
        uint256[] memory words
    ) private returns (bytes memory fault) {
        unchecked {
            bytes32[] calldata accounts_ = shape.accounts;
            if (shape.inputs.length == 0) return form;
            for (uint256 i = 0; i < costs.length; ++i) {
                if (costs[i] == 0) return _refused(Rule.NoCost);
            }
            if (form.length != 0) return form;
            bytes32 id = query.id;
            uint256 half = _half(shape, query, costs);
            uint256 found = queries[id];
            if (found != 0) {
                if (found & ~HALF == half) return fault;
                return abi.encodeWithSelector(Conflict.selector, Thing.Query);
            }
            if (standing.length != 0) return standing;
            for (uint256 i = 0; i < costs.length; ++i) {
                (words[i], fault) = _spend(accounts_[i], costs[i]);
                if (fault.length != 0) return fault;
            }
            queries[id] = half;
            for (uint256 i = 0; i < costs.length; ++i) {
                bytes32 account = accounts_[i];
                accounts[account] = words[i];
                emit Charged(id, account, words[i]);
            }
        }
    }

    /// An account's word after it paid, or why it cannot.
    function _spend(bytes32 account, uint128 asked)
        private
        view
        returns (uint256 word, bytes memory fault)
    {
        word = accounts[account];
        // What is spent is never above the cap, so no difference wraps, and no sum is above it.
        unchecked {
            uint64 rhoLeft = uint64(word >> 64) - uint64(word >> 192);
            uint64 deltaLeft = uint64(word) - uint64(word >> 128);
            if (uint64(asked >> 64) > rhoLeft || uint64(asked) > deltaLeft) {
                uint128 left = uint128(rhoLeft) << 64 | deltaLeft;
                fault = abi.encodeWithSelector(Exhausted.selector, account, asked, left);
            }
            word += uint256(asked) << 128;
        }
    }

    /// First half of H(id, intent, number of accounts and day, accounts, costs, inputs).
    function _half(Shape calldata shape, Query calldata query, uint128[] calldata costs)
        private
        pure
        returns (uint256 half)
    {
        bytes32[] calldata accounts_ = shape.accounts;
        bytes32[] calldata inputs = shape.inputs;
        uint256 head = accounts_.length << 32 | shape.day;
        assembly ("memory-safe") {
            let start := mload(0x40)
            let paid := shl(5, accounts_.length)
            let read := shl(5, inputs.length)
            calldatacopy(start, query, 64)
            mstore(add(start, 64), head)
            let end := add(start, 96)
            calldatacopy(end, accounts_.offset, paid)
            end := add(end, paid)
            calldatacopy(end, costs.offset, paid)
            end := add(end, paid)
            calldatacopy(end, inputs.offset, read)
            end := add(end, read)
            half := keccak256(start, sub(end, start))
        }
        half &= ~HALF;
    }

    /// What is wrong with the form of a shape, in itself.
    function _checkForm(Shape calldata shape) private pure returns (bytes memory fault) {
        if (shape.accounts.length == 0) return _refused(Rule.NoItem);
        if (shape.inputs.length == 0) return _refused(Rule.NoInput);
        if (_isTwice(shape.accounts)) return _refused(Rule.ItemTwice);
        if (_isTwice(shape.inputs)) return _refused(Rule.InputTwice);
    }

    function _isTwice(bytes32[] calldata names) private pure returns (bool) {
        for (uint256 i = 1; i < names.length; ++i) {
            for (uint256 j = 0; j < i; ++j) {
                if (names[i] == names[j]) return true;
            }
        }
        return false;
    }

    /// Every account is open; every input is active, of one of them, and not past its last day.
    function _checkStanding(Shape calldata shape) private view returns (bytes memory fault) {
        bytes32[] calldata accounts_ = shape.accounts;
        for (uint256 i = 0; i < accounts_.length; ++i) {
            if (accounts[accounts_[i]] == 0) return _refused(Rule.Unopened);
        }
        for (uint256 i = 0; i < shape.inputs.length; ++i) {
            bytes32 root = shape.inputs[i];
            uint256 word = extracts[root];
            if (uint32(word) != ACTIVE) return _inactive(root, _why(word));
            uint256 j = 0;
            while (j < accounts_.length && _tag(accounts_[j]) != word >> 64) ++j;
            if (j == accounts_.length) return _inactive(root, Why.OtherAccount);
            if (shape.day > uint32(word >> 32)) return _inactive(root, Why.Expired);
        }
    }

    /// Whether the very same extract is there and active; reverts if anything else is.
    function _repeats(Extract calldata new_, bytes32 replaced) private view returns (bool) {
        uint256 word = extracts[new_.root];
        if (word == 0) {
            if (accounts[new_.account] == 0) revert Refused(Rule.UnopenedExtract);
            if (retired[new_.key] != 0) revert Refused(Rule.RetiredKey);
            return false;
        }
        bool isSame = keys[new_.root] == new_.key && predecessors[new_.root] == replaced
            && word >> 32 == (_tag(new_.account) << 32 | new_.expiresDay);
        if (!isSame) revert Conflict(Thing.Extract);
        _requireActive(new_.root, word);
        return true;
    }

    function _add(Extract calldata new_, bytes32 place) private {
        extracts[new_.root] = _tag(new_.account) << 64 | uint256(new_.expiresDay) << 32 | ACTIVE;
        keys[new_.root] = new_.key;
        active[place] = new_.root;
        if (holders[new_.key] == 0) holders[new_.key] = new_.key;
        emit Attested(new_.root, new_.account, new_.key, new_.expiresDay);
    }

    function _requireActive(bytes32 root, uint256 word) private pure {
        if (uint32(word) != ACTIVE) revert Inactive(root, _why(word));
    }

    /// Why an extract with this word is not active.
    function _why(uint256 word) private pure returns (Why) {
        if (word == 0) return Why.Unattested;
        return uint32(word) == SUPERSEDED ? Why.Superseded : Why.Revoked;
    }

    /// Where the active extract of an account and of the holder of a key is.
    function _place(uint256 tag, bytes32 key) private view returns (bytes32) {
        bytes32 holder = holders[key];
        return keccak256(abi.encode(tag, holder == 0 ? key : holder));
    }

    /// First 24 bytes of an account's hash.
    function _tag(bytes32 account) private pure returns (uint256 tag) {
        assembly ("memory-safe") {
            mstore(0, account)
            tag := shr(64, keccak256(0, 32))
        }
    }

    function _refused(Rule rule) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Refused.selector, rule);
    }

    function _inactive(bytes32 root, Why why) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Inactive.selector, root, why);
    }
}
