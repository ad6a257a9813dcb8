# SPDX-License-Identifier: MIT
# The mutations of scripts/mutate.sh: reads sources, prints those that the seed chooses, one a line:
#
#   INDEX FILE LINE OPERATOR NEW-LINE
#
# awk -v seed=N -v count=N -f scripts/mutate.awk FILE...
# awk -v all=1 -f scripts/mutate.awk FILE...             all that there are, by operator and line
# awk -v all=1 -v each_operator=N -v seed=N -f scripts/mutate.awk FILE...   of each operator in a file at most N
#
# First a file, by weight and how much there is to change in it; then an operator of those that apply
# there, each as likely; then a line. No line is printed twice in the same form.

# Comments and strings become blanks of the same length, so that positions stay.
function blank(text, from, len) {
	return substr(text, 1, from - 1) sprintf("%" len "s", "") substr(text, from + len)
}

function masked(line,	at) {
	if (in_comment) {
		at = index(line, "*/")
		if (!at)
			return ""
		in_comment = 0
		line = blank(line, 1, at + 1)
	}
	while (match(line, /"(\\.|[^"\\])*"|'(\\.|[^'\\])'|\/\*([^*]|\*[^\/])*\*\/|\/\/.*/))
		line = blank(line, RSTART, RLENGTH)
	at = index(line, "/*")
	if (at) {
		in_comment = 1
		line = substr(line, 1, at - 1)
	}
	return line
}

function offer(operator, text,	key) {
	key = FILENAME SUBSEP FNR SUBSEP text
	if (text == $0 || (key in offered))
		return
	offered[key] = 1
	key = FILENAME SUBSEP operator
	if (!(key in nr))
		operators[FILENAME, ++operator_nr[FILENAME]] = operator
	where[key, ++nr[key]] = FNR
	what[key, nr[key]] = text
	candidates[FILENAME]++
}

# Each place of a pattern: the part of it behind `skip` characters and before `keep` becomes `to`.
function each(operator, code, pattern, skip, keep, to,	at, rest, from) {
	rest = code
	from = 0
	while (match(rest, pattern)) {
		at = from + RSTART + skip
		offer(operator, substr($0, 1, at - 1) to substr($0, at + RLENGTH - skip - keep))
		from += RSTART + RLENGTH - 1 - keep
		rest = substr(code, from + 1)
	}
}

# What a comparison compares, on both sides of the operator at `at`, which has `len` characters: as far
# as parentheses are closed and nothing binds less.
function operands(code, at, len,	left, right, i, depth, c) {
	for (i = at - 1; i > 0; i--) {
		c = substr(code, i, 1)
		depth += (c == ")") - (c == "(")
		if (depth < 0 || (!depth && (index("?:=;,!", c) || substr(code, i, 2) ~ /&&|\|\|/)))
			break
	}
	left = substr(code, i + 1, at - 1 - i)
	depth = 0
	for (i = at + len; i <= length(code); i++) {
		c = substr(code, i, 1)
		depth += (c == "(") - (c == ")")
		if (depth < 0 || (!depth && (index("?:;,", c) || substr(code, i, 2) ~ /&&|\|\|/)))
			break
	}
	right = substr(code, at + len, i - at - len)
	sub(/^[&|]/, "", left)
	sub(/^[ \t]*(return|case)[ \t]/, "", left)
	gsub(/[ \t]/, "", left)
	gsub(/[ \t]/, "", right)
	return left SUBSEP right
}

# Is the text in there, and nothing more behind its last operand?
function chooses(rest, text,	at) {
	at = index(rest, text)
	return at && substr(rest, at + length(text), 1) ~ /^[;,)]?$/
}

# Whether the smaller or the greater of two is kept, so that it is all the same where they are equal:
# `a < b ? a : b`, `if (a < b) b = a`; and `a > b ? a - b : 0`.
function keeps_one(pair, code, at,	two, rest) {
	split(pair, two, SUBSEP)
	rest = substr(code, at) text[FNR + 1]
	gsub(/[ \t]/, "", rest)
	if (chooses(rest, two[2] "?" two[1] ":" two[2]) || chooses(rest, two[2] "?" two[2] ":" two[1]))
		return 1
	if (chooses(rest, two[2] "?" two[1] "-" two[2] ":0") || chooses(rest, two[2] "?0:" two[2] "-" two[1]))
		return 1
	if (code !~ /^\t+(else )?if \(.*\)$/ || code ~ /\|\|/)
		return 0
	rest = text[FNR + 1]
	gsub(/[ \t]/, "", rest)
	return rest == two[1] "=" two[2] ";" || rest == two[2] "=" two[1] ";"
}

# Where the lines before have dealt with what is equal, as searches do, it is all the same how the rest
# takes it: `<` there means `<=`.
function flip(code, from, to,	at, start, pair) {
	for (start = 1; (at = index(substr(code, start), from)); start = at + 1) {
		at += start - 1
		pair = operands(code, at, length(from))
		if ((!(pair in equal) || equal[pair] < FNR - 4) && !keeps_one(pair, code, at + length(from) - 1))
			offer("flip", substr($0, 1, at - 1) to substr($0, at + length(from)))
	}
}

function note_equal(code,	at, pair, two) {
	if ((at = index(code, " == ")) && code !~ /&&|\|\|/ && text[FNR + 1] ~ /^\t+(return|break|continue|goto)[ ;]/) {
		pair = operands(code, at, 4)
		split(pair, two, SUBSEP)
		equal[pair] = equal[two[2], two[1]] = FNR
	}
}

# The text between the parenthesis at `open` and its partner; "" if that is on another line.
function inside(code, open,	i, depth, c) {
	for (i = open; i <= length(code); i++) {
		c = substr(code, i, 1)
		depth += (c == "(") - (c == ")")
		if (!depth)
			return substr($0, open + 1, i - open - 1)
	}
	return ""
}

function negate(code,	open, text) {
	if (!match(code, /(if|while) \(/))
		return
	open = RSTART + RLENGTH - 1
	text = inside(code, open)
	if (text != "")
		offer("negate", substr($0, 1, open) "!(" text ")" substr($0, open + length(text) + 1))
}

function statements(code,	indent) {
	match(code, /^\t*/)
	indent = substr(code, 1, RLENGTH)
	# Without some calls a program does the same: hints, and the ends of locks, which glibc keeps nothing of.
	if (code ~ /^\t+(__builtin_[a-z_]+|pthread_[a-z]+_destroy)\(/ || $0 ~ /^\t+[a-z_]*\(?(SYS_)?madvise.*MADV_HUGEPAGE/)
		return
	if (code ~ /^\t+[a-z_][a-zA-Z0-9_.>-]*\(.*\);$/) {
		if (code ~ /(unpin|put|release|unref|detach|free|destroy|close)[a-z_]*\(/)
			offer("leave-a-pin", indent ";")
		else
			offer("drop-call", indent ";")
		if (code ~ /unlock\(/ && before ~ "^" indent "[^\t}].*;$" && before !~ /^\t+(return|goto|break|continue|case)/)
			offer("unlock-early", "(one statement earlier)")
	}
	if (code ~ /^\t\t+return.*;$/)
		offer("drop-return", indent ";")
	if (code ~ /^\t+return -E[A-Z0-9]+;$/)
		offer("no-error", indent "return 0;")
	if (code ~ /^\t+[a-z_][a-zA-Z0-9_.>\[\]-]* [|&+-]?= [^=].*;$/)
		offer("drop-assignment", indent ";")
}

function changes(code) {
	if (code == "" || code ~ /^#/ || code !~ /^\t/)
		return
	# What only looks whether the rest is right.
	if (code ~ /^\t+(assert|static_assert|lock_must_hold|lock_guards|lock_guards_rw)\(/)
		return
	statements(code)
	negate(code)
	flip(code, " < ", " <= ")
	flip(code, " <= ", " < ")
	flip(code, " > ", " >= ")
	flip(code, " >= ", " > ")
	each("flip", code, " == ", 0, 0, " != ")
	each("flip", code, " != ", 0, 0, " == ")
	each("off-by-one", code, " [+-] 1[^0-9a-zA-Z_.]", 0, 1, "")
	each("and-or", code, " && ", 0, 0, " || ")
	each("and-or", code, " \\|\\| ", 0, 0, " && ")
	each("drop-not", code, "[( ]![a-z(]", 1, 1, "")
	each("skip-permission", code, " [|] [A-Z_]*(READ|WRITE|PERM|RW|EXEC|PRIV|DIRTY|ACCESS|FLAG|NO_|P_)[A-Z_]*", 0, 0, "")
	each("skip-permission", code, " & [A-Z_]*(READ|WRITE|PERM|RW|EXEC|PRIV|DIRTY|ACCESS|FLAG|NO_|P_)[A-Z_]*", 0, 0, "")
	each("forget-the-pasid", code, "[ (][*]?([a-z]+->|[a-z]+[.])?pasid[,;)]", 1, 1, "0")
	each("swap-first-last", code, "[a-z_>.]first[^a-z_0-9]", 1, 1, "last")
	each("swap-first-last", code, "[ (]first[^a-z_0-9]", 1, 1, "last")
	each("swap-first-last", code, "[a-z_>.]last[^a-z_0-9]", 1, 1, "first")
	each("swap-first-last", code, "[ (]last[^a-z_0-9]", 1, 1, "first")
}

# Exact in doubles, hence the same in every awk.
function below(n) {
	state = (state * 16807) % 2147483647
	return int(state / 2147483647 * n)
}

function weight(file) {
	if (file ~ /^src\/(tlp|space|route|mem|obj|pt)\//)
		return 3
	if (file ~ /^(src\/(kind|uapi)|models\/nvme)\//)
		return 2
	return 1
}

function print_all(	i, o, key, at, left) {
	for (i = 1; i <= file_nr; i++)
		for (o = 1; o <= operator_nr[files[i]]; o++) {
			key = files[i] SUBSEP operators[files[i], o]
			left = each_operator && each_operator < nr[key] ? each_operator : nr[key]
			for (at = 1; at <= nr[key]; at++)
				# Of what is still to come as many as are still wanted, each as likely.
				if (below(nr[key] - at + 1) < left) {
					left--
					print ++printed, files[i], where[key, at], operators[files[i], o], what[key, at]
				}
		}
}

FNR == 1 {
	in_comment = 0
	before = ""
	split("", equal)
	split("", text)
	while ((getline line <FILENAME) > 0)
		text[++text_nr] = line
	close(FILENAME)
	text_nr = 0
	files[++file_nr] = FILENAME
}

{
	code = masked($0)
	sub(/[ \t]+$/, "", code)
	changes(code)
	note_equal(code)
	before = code
}

END {
	state = (seed * 7919 + 104729) % 2147483646 + 1
	for (i = 0; i < 10; i++)
		below(2)
	for (i = 1; i <= file_nr; i++)
		sum += weight(files[i]) * candidates[files[i]]
	if (all)
		print_all()
	while (sum && printed < count && tries++ < count * 100) {
		at = below(sum)
		for (i = 1; (at -= weight(files[i]) * candidates[files[i]]) >= 0; i++)
			;
		operator = operators[files[i], below(operator_nr[files[i]]) + 1]
		key = files[i] SUBSEP operator
		at = below(nr[key]) + 1
		if ((key, at) in used)
			continue
		used[key, at] = 1
		print ++printed, files[i], where[key, at], operator, what[key, at]
	}
}
