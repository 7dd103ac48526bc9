
# Names that the control plane knows, in front of the words of the command line.
_centaur-perms_names() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" noun="" word what=""
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$word" in principals|roles|secrets|broker|explain|tools) noun="$word"; break ;; esac
    done
    case "$prev" in
        --role) what=roles ;;
        --secret) what=secrets ;;
        --tool) what=tools ;;
        --requester|--principal|explain) what=principals ;;
        show|grant|revoke|delete|members|grants|validate|register)
            case "$noun" in principals|roles|secrets|broker|tools) what="$noun" ;; esac ;;
    esac
    if [[ -n "$what" && "$cur" != -* ]]; then
        mapfile -t COMPREPLY < <(centaur-perms __complete "$what" "$cur" 2>/dev/null)
        [[ ${#COMPREPLY[@]} -gt 0 ]] && return 0
    fi
    _centaur-perms "$@"
}
complete -F _centaur-perms_names -o bashdefault -o default centaur-perms
