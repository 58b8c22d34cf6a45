/** What `run.js` sets before it starts LibreChat's part. */
declare namespace NodeJS {
  interface ProcessEnv {
    ALLOWED_ADDRESSES: string;
    JWT_SECRET: string;
    MONGO_URI: string;
    OPENID_CLIENT_ID: string;
    OPENID_CLIENT_SECRET: string;
    OPENID_TOKEN_ENDPOINT: string;
  }
}

/** What `requireJwtAuth` adds. */
declare namespace Express {
  interface Request {
    user: LibreChat.User;
  }
}

/** Shapes of LibreChat, as far as the example needs them. */
declare namespace LibreChat {
  interface User {
    id: string;
    role?: string;
  }

  /** A server of `librechat.yaml` or of the database. */
  type ServerConfig = Record<string, any>;
  type ServerConfigs = Record<string, ServerConfig>;

  interface Flow {
    type: string;
    status: 'PENDING' | 'COMPLETED' | 'FAILED';
    metadata: Record<string, any>;
    createdAt: number;
    result?: any;
    error?: string;
  }

  interface Access {
    permissionType: string;
    permissions: string[];
    getRoleByName(name: string): Promise<any>;
  }
}
