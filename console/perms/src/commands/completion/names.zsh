
# Names that the control plane knows, in front of the words of the command line.
_centaur-perms_names() {
    local prev="${words[CURRENT-1]}" noun="" word what=""
    for word in ${words[2,CURRENT-1]}; do
        case "$word" in (principals|roles|secrets|broker|explain|tools) noun="$word"; break ;; esac
    done
    case "$prev" in
        (--role) what=roles ;;
        (--secret) what=secrets ;;
        (--tool) what=tools ;;
        (--requester|--principal|explain) what=principals ;;
        (show|grant|revoke|delete|members|grants|validate|register) [[ "$noun" != explain ]] && what="$noun" ;;
    esac
    if [[ -n "$what" && "$PREFIX" != -* ]]; then
        local -a names
        names=(${(f)"$(centaur-perms __complete "$what" "$PREFIX" 2>/dev/null)"})
        (( $#names )) && compadd -a names && return 0
    fi
    _centaur-perms "$@"
}
compdef _centaur-perms_names centaur-perms
