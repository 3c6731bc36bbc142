"""What the scripts with requests and httpx have in common."""


def refused(answer):
    """What the caller is told."""
    return {
        "status": answer.status_code,
        "message": answer.json()["message"],
        "code": answer.headers["tokend-error"],
    }
