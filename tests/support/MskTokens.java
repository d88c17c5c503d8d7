import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerExtensionsValidatorCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * A broker's check of tokens as Amazon MSK has them: a presigned URL of kafka-cluster:Connect in base64url
 * (https://github.com/aws/aws-msk-iam-auth, "Details"). Not checked: the signature, which only AWS can.
 */
public class MskTokens implements AuthenticateCallbackHandler {
    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {}

    @Override
    public void close() {}

    @Override
    public void handle(Callback[] callbacks) throws UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (callback instanceof OAuthBearerValidatorCallback) {
                check((OAuthBearerValidatorCallback) callback);
            } else if (!(callback instanceof OAuthBearerExtensionsValidatorCallback)) {
                throw new UnsupportedCallbackException(callback);
            }
        }
    }

    private static void check(OAuthBearerValidatorCallback callback) {
        try {
            byte[] decoded = Base64.getUrlDecoder().decode(callback.tokenValue());
            URI url = URI.create(new String(decoded, StandardCharsets.UTF_8));
            Set<String> said = new HashSet<>(List.of(url.getRawQuery().split("&")));
            boolean fits = url.getHost().equals("kafka.us-east-1.amazonaws.com")
                && said.contains("Action=kafka-cluster%3AConnect")
                && said.contains("X-Amz-Algorithm=AWS4-HMAC-SHA256")
                && said.contains("X-Amz-Expires=900")
                && said.stream().anyMatch(part -> part.startsWith("X-Amz-Credential=test%2F"))
                && said.stream().anyMatch(part -> part.matches("X-Amz-Signature=[0-9a-f]{64}"));
            if (fits) {
                callback.token(new Token(callback.tokenValue()));
            } else {
                callback.error("invalid_token", null, null);
            }
        } catch (RuntimeException error) {
            callback.error("invalid_token", null, null);
        }
    }

    private static final class Token implements OAuthBearerToken {
        private final String value;

        Token(String value) {
            this.value = value;
        }

        @Override
        public String value() {
            return value;
        }

        @Override
        public Set<String> scope() {
            return Set.of();
        }

        @Override
        public long lifetimeMs() {
            return System.currentTimeMillis() + 900_000;
        }

        @Override
        public String principalName() {
            return "role";
        }

        @Override
        public Long startTimeMs() {
            return null;
        }
    }
}
